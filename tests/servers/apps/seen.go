/* SPDX-License-Identifier: BSD-2-Clause */
// Go's own server. Writes a line for each request: peer, X-Forwarded-For, request line, and whether the body was
// complete.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
)

type seen struct {
	Peer   string   `json:"peer"`
	Xff    []string `json:"xff"`
	Method string   `json:"method"`
	Target string   `json:"target"`
	Done   bool     `json:"done"`
}

var out sync.Mutex

// Each byte follows from its place, as in backends.py.
var large = make([]byte, 8<<20)

func handle(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	host, port, _ := net.SplitHostPort(r.RemoteAddr)
	line, _ := json.Marshal(seen{host + " " + port, r.Header.Values("X-Forwarded-For"), r.Method, r.RequestURI, err == nil})
	out.Lock()
	fmt.Printf("seen %s\n", line)
	out.Unlock()
	if r.RequestURI == "/large" {
		w.Write(large)
		return
	}
	io.WriteString(w, "seen\n")
}

func main() {
	for i := range large {
		large[i] = byte(i % 251)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(handle))
}
