// Command controlplane is the whole control plane of the sandbox in one file:
// it becomes the component by whose name it is called. Linking the parts
// together once is quicker, and a third of the size, of linking five binaries
// that share most of their packages.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// components holds what to run for each name; the code is the exit status.
var components = map[string]func() int{
	"etcd":                    runEtcd,
	"kube-apiserver":          runAPIServer,
	"kube-controller-manager": runControllerManager,
	"kube-scheduler":          runScheduler,
	"kwok":                    runKwok,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s is not the name of a component\n", name)
		os.Exit(2)
	}
	os.Exit(run())
}
