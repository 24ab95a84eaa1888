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

// expand replaces directories by their pictures, sorted by name, those of a sub-directory in its
// place if they are wanted. What cannot be listed stays, so that it is reported in its turn.
func expand(args []string, recursive bool) (files []string) {
	for _, arg := range args {
		if arg == standardInput {
			files = append(files, arg)
			continue
		}
		found, err := list(arg, recursive)
		if err != nil || len(found) == 0 {
			found = []string{arg}
		}
		files = append(files, found...)
	}
	return files
}

// list lists the pictures of a directory. Links to directories are not followed, which might be a
// circle.
func list(dir string, recursive bool) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir() && recursive:
			found, err := list(path, recursive)
			if err != nil {
				found = []string{path}
			}
			files = append(files, found...)
		case !e.IsDir() && slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			files = append(files, path)
		}
	}
	return files, nil
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
