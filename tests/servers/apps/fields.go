/* SPDX-License-Identifier: BSD-2-Clause */
// Go's own server: returns a request's fields, a line each, and the client as Go knows it.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func handle(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprintf(w, "REMOTE_ADDR=%s\nCONTENT_LENGTH=%d\nHOST=%s\n", host, r.ContentLength, r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			fmt.Fprintf(w, "%s=%s\n", name, value)
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(handle))
}
