// Answers any request with what it was asked.
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	handle := func(answer http.ResponseWriter, request *http.Request) {
		target := strings.ReplaceAll(url.PathEscape(request.RequestURI), "%2F", "/")
		target = strings.ReplaceAll(target, "%25", "%")
		if request.Header.Get("X-Close") != "" {
			answer.Header().Set("Connection", "close")
		}
		answer.Header().Set("Content-Type", "text/plain")
		answer.Header().Set("X-Echo-Target", target)
		fmt.Fprintf(answer, "echo:%s:end\n", target)
	}
	server := http.Server{
		Addr:           "127.0.0.1:" + os.Args[1],
		Handler:        http.HandlerFunc(handle),
		MaxHeaderBytes: 1 << 17,
		IdleTimeout:    20 * time.Second,
	}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
