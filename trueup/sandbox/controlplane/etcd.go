package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// runEtcd returns only when the server was stopped in good order: on a failure
// etcd ends the process itself.
func runEtcd() int {
	etcdmain.Main(os.Args)
	return 0
}
