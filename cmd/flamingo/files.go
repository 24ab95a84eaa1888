package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flamingo/model"
	"flamingo/picture"
	"flamingo/tensor"
)

// standardInput is the name of a picture that is piped in.
const standardInput = "-"

// extensions are the files of a directory that count as its pictures.
var extensions = []string{".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"}

// expand replaces directories by their pictures, sorted by name, those in sub-directories not
// included. What cannot be listed stays, so that it is reported in its turn.
func expand(args []string) (files []string) {
	for _, arg := range args {
		entries, err := os.ReadDir(arg)
		if arg == standardInput || err != nil {
			files = append(files, arg)
			continue
		}
		before := len(files)
		for _, e := range entries {
			hidden := strings.HasPrefix(e.Name(), ".")
			if !e.IsDir() && !hidden && slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) {
				files = append(files, filepath.Join(arg, e.Name()))
			}
		}
		if len(files) == before {
			files = append(files, arg)
		}
	}
	return files
}

// read decodes a picture file, or standard input.
func (p *program) read(file string) (model.Image, error) {
	from := p.in
	if file != standardInput {
		f, err := os.Open(file)
		if err != nil {
			return model.Image{}, fmt.Errorf("%w: %w", picture.ErrDecode, err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return model.Image{}, fmt.Errorf("%w: the directory has no picture (%s)", picture.ErrDecode, strings.Join(extensions, " "))
		}
		from = f
	}
	img, err := picture.Read(from, model.MaxPixels)
	if err != nil {
		return model.Image{}, err
	}
	return model.Image{Width: img.Width, Height: img.Height, Pixels: tensor.GoBytes(img.Pixels)}, nil
}
