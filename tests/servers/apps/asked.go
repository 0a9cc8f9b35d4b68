/* SPDX-License-Identifier: BSD-2-Clause */
// Go's own server, as an application that restarts. It answers with what was asked, and by whom: "METHOD TARGET
// X-FORWARDED-FOR BODY".
//
//	asked-go ADDR:PORT IDLE-MS in_order|at_once
//
// IDLE-MS: it closes connections that are idle for so long. SIGTERM ends it as Shutdown() does, or where it stands.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, strings.Join(r.Header.Values("X-Forwarded-For"), "|"), body)
}

func main() {
	idle, _ := strconv.Atoi(os.Args[2])
	server := &http.Server{Handler: http.HandlerFunc(handle), IdleTimeout: time.Duration(idle) * time.Millisecond}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ended := make(chan bool)
	if os.Args[3] == "in_order" {
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		go func() {
			<-term
			server.Shutdown(context.Background())
			close(ended)
		}()
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	server.Serve(listener)
	<-ended
}
