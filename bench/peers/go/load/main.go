// A load generator that takes little of the machine it shares with what it measures: one thread, one epoll loop, no
// allocation per request. HTTP/1.1 requests with one body, or now and then a larger one, kept-alive connections.
//
//	closed loop  load -target 127.0.0.1:PORT -body FILE -expect FILE -connections 16 -seconds 5 (or -requests N)
//	open loop    load … -rate 1600 -seconds 5
//	mixed        load … -large-body FILE -large-every 100     the latency of the large ones is told apart
//
// In the open loop requests start at a constant rate whatever the answers do, and latency counts from the moment a
// request was due, so that a stall is seen by every request it delayed (no coordinated omission).
//
// Prints one JSON object. A failure is anything but the expected status with the expected body within the time allowed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

type options struct {
	target      string
	method      string
	path        string
	contentType string
	body        string
	largeBody   string
	largeEvery  int
	status      int
	expect      string
	connections int
	rate        float64
	seconds     float64
	requests    int
}

type result struct {
	Requests    int            `json:"requests"`
	Failures    int            `json:"failures"`
	Reasons     map[string]int `json:"reasons"`
	Seconds     float64        `json:"seconds"`
	Connections int            `json:"connections"`
	LatencyUs   percentiles    `json:"latencyUs"`
	LargeUs     *percentiles   `json:"largeUs,omitempty"`
	// How long after they were due requests left: what of the latency is the generator's own.
	LateUs percentiles `json:"lateUs"`
}

func main() {
	var o options
	flag.StringVar(&o.target, "target", "", "IPv4:PORT")
	flag.StringVar(&o.method, "method", "POST", "method of the requests")
	flag.StringVar(&o.path, "path", "/orders/1", "path of the requests")
	flag.StringVar(&o.contentType, "content-type", "application/json", "of the bodies")
	flag.StringVar(&o.body, "body", "", "file with the body; none for a GET")
	flag.StringVar(&o.largeBody, "large-body", "", "file with the body of every -large-every-th request")
	flag.IntVar(&o.largeEvery, "large-every", 0, "0 = no request has the large body")
	flag.IntVar(&o.status, "status", 200, "the status of a right answer")
	flag.StringVar(&o.expect, "expect", "", "file with the body of a right answer")
	flag.IntVar(&o.connections, "connections", 16, "closed loop: connections; open loop: at most so many")
	flag.Float64Var(&o.rate, "rate", 0, "open loop: requests per second; 0 = closed loop")
	flag.Float64Var(&o.seconds, "seconds", 0, "start requests for so long")
	flag.IntVar(&o.requests, "requests", 0, "start so many requests; 0 = as many as the time allows")
	flag.Parse()
	debug.SetGCPercent(-1) // nothing to collect, and no pause of ours in the figures

	loader, err := newLoader(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	if o.requests > 0 {
		loader.progressEvery = 15 * time.Second
	}
	if err := loader.run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(loader.result()); err != nil {
		os.Exit(1)
	}
}
