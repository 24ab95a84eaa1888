// Command flamingo is the project without a browser: it captions pictures, shows what a model is
// made of and what it needs, and converts checkpoints into models that the page can load. It runs
// the same packages as the page, on the CPU or, built with the tag webgpu, on the GPU.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"flamingo/picture"
	"flamingo/runtime"
)

const description = "Flamingo captions pictures: NFNet, Perceiver Resampler and gated cross-attention in a language model."

// A program is one run of the command and what it is connected to.
type program struct {
	in       io.Reader
	out, err io.Writer
	// Whether out and err are terminals: text and progress may then appear bit by bit.
	liveOut, liveErr bool
	began            time.Time
}

type commands struct {
	Caption  captionCommand  `cmd:"" help:"Describe pictures."`
	Ask      askCommand      `cmd:"" help:"Ask a question about pictures."`
	Classify classifyCommand `cmd:"" help:"Choose among labels for pictures: prints label, probability and log-probability, the likeliest first."`
	Inspect  inspectCommand  `cmd:"" help:"Show a model's tensors, sizes and needs."`
	Convert  convertCommand  `cmd:"" help:"Make a model out of a checkpoint."`
	Synth    synthCommand    `cmd:"" help:"Make a model, or the files of a release, of random weights, to try what its size costs."`
	Tokenize tokenizeCommand `cmd:"" help:"Turn JSON lines with a text into token ids and back."`
	Logits   logitsCommand   `cmd:"" help:"Compute every stage of a model for pictures and token ids from a file."`
	Features featuresCommand `cmd:"" help:"Compute the features of a vision encoder alone."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first interruption ends what is being done in good order, a second one at once.
	context.AfterFunc(ctx, stop)
	p := &program{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, began: time.Now(),
		liveOut: isTerminal(os.Stdout), liveErr: isTerminal(os.Stderr),
	}
	status := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Exit statuses.
const (
	statusOK     = 0
	statusFailed = 1
	statusUsage  = 2
)

// errReported is a failure that has been told already.
var errReported = errors.New("reported")

// exit carries the status out of the parser, which ends the process itself after --help.
type exit int

func (p *program) run(ctx context.Context, args []string) (status int) {
	defer func() {
		if v := recover(); v != nil {
			code, ok := v.(exit)
			if !ok {
				panic(v)
			}
			status = int(code)
		}
	}()
	var c commands
	parser, err := kong.New(&c, kong.Name("flamingo"), kong.Description(description),
		kong.Writers(p.out, p.err), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.Vars{"devices": devices, "device": defaultDevice, "dtypes": dtypes},
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p))
	if err != nil {
		panic(err) // the commands above are wrong
	}
	run, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.err, "flamingo: %v; see flamingo --help\n", err)
		return statusUsage
	}
	if err := run.Run(); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintf(p.err, "flamingo: %s: %v\n", code(err), err)
		}
		return statusFailed
	}
	return statusOK
}

// code is the stable name of an error, which the page's API uses too.
func code(err error) string {
	if errors.Is(err, picture.ErrDecode) {
		return "media-decode"
	}
	return runtime.Code(err)
}

type versionCommand struct{}

func (versionCommand) Run(p *program) error {
	version, revision := "(unknown)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
		revision += " " + info.GoVersion
	}
	_, err := fmt.Fprintf(p.out, "flamingo %s%s, devices: %s\n", version, revision, devices)
	return err
}
