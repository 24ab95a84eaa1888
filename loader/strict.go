package loader

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

var errUnknownField = errors.New("unknown field")

// strict reads JSON whose every field is known. encoding/json alone lets a repeated key overwrite
// the first, matches names in any letter case and takes null for anything; each would let two
// readers of one manifest disagree about what it says.
type strict struct{ *json.Decoder }

func newStrict(data []byte) *strict {
	return &strict{json.NewDecoder(bytes.NewReader(data))}
}

// object reads {...}; field must consume the value of each key, or return errUnknownField.
func (d *strict) object(at string, field func(key string) error) error {
	if err := d.delim(at, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return place(at, err)
		}
		key, _ := t.(string)
		if seen[key] {
			return fmt.Errorf("%sfield %q appears twice, want once", prefix(at), key)
		}
		seen[key] = true
		if err := field(key); err == errUnknownField {
			return fmt.Errorf("%sunknown field %q; a newer version of this program may know it", prefix(at), key)
		} else if err != nil {
			return err
		}
	}
	return d.delim(at, '}')
}

// array reads [...]; item must consume each element.
func (d *strict) array(at string, item func(at string) error) error {
	if err := d.delim(at, '['); err != nil {
		return err
	}
	for i := 0; d.More(); i++ {
		if err := item(fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	return d.delim(at, ']')
}

func (d *strict) value(at string, into any) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return place(at, err)
	}
	if string(raw) == "null" {
		return fmt.Errorf("%sgot null, want a value or no field at all", prefix(at))
	}
	return place(at, json.Unmarshal(raw, into))
}

func (d *strict) delim(at string, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return place(at, err)
	}
	if t != want {
		return fmt.Errorf("%sgot %v, want %v", prefix(at), t, want)
	}
	return nil
}

func (d *strict) end() error {
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more data after the closing brace")
	}
	return nil
}

func place(at string, err error) error {
	if err == nil {
		return nil
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%sthe JSON ends too early", prefix(at))
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%sgot %s, want %s", prefix(at), wrong.Value, wrong.Type)
	}
	return fmt.Errorf("%s%w", prefix(at), err)
}

func prefix(at string) string {
	if at == "" {
		return ""
	}
	return at + ": "
}
