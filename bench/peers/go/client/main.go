// A grpc-go client of an ext_proc server: many exchanges at once on one connection, each with its own body, as
// go-control-plane's types send them. Every answer must be of its message's kind and hold its own body.
//
//	client 127.0.0.1:PORT EXCHANGES BODY_BYTES     prints "ok EXCHANGES"; exit 1 with the first thing wrong
//
// The server must answer a body with `body + "!"` (test/e2e/transport/grpc-go.test.ts has one).
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	exchanges, _ := strconv.Atoi(os.Args[2])
	bodyBytes, _ := strconv.Atoi(os.Args[3])
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32<<20)))
	if err != nil {
		fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := extprocv3.NewExternalProcessorClient(connection)
	errs := make(chan error, exchanges)
	var running sync.WaitGroup
	for id := range exchanges {
		running.Add(1)
		go func() {
			defer running.Done()
			if err := exchange(ctx, client, id, bodyBytes); err != nil {
				errs <- fmt.Errorf("exchange %d: %w", id, err)
			}
		}()
	}
	running.Wait()
	select {
	case err := <-errs:
		fail(err)
	default:
		fmt.Println("ok", exchanges)
	}
}

func exchange(ctx context.Context, client extprocv3.ExternalProcessorClient, id, bodyBytes int) error {
	stream, err := client.Process(ctx)
	if err != nil {
		return err
	}
	headers := &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
		{Key: ":method", RawValue: []byte("POST")}, {Key: "x-id", RawValue: []byte(strconv.Itoa(id))},
	}}}
	answer, err := ask(stream, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: headers}})
	if err != nil {
		return err
	}
	if answer.GetRequestHeaders() == nil {
		return fmt.Errorf("headers were answered with %T", answer.GetResponse())
	}
	body := []byte(strconv.Itoa(id) + strings.Repeat("b", bodyBytes))
	answer, err = ask(stream, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{
		RequestBody: &extprocv3.HttpBody{Body: body, EndOfStream: true},
	}})
	if err != nil {
		return err
	}
	got := answer.GetRequestBody().GetResponse().GetBodyMutation().GetBody()
	if !bytes.Equal(got, append(body, '!')) {
		return fmt.Errorf("%d bytes came back for %d", len(got), len(body))
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the end was %v", err)
	}
	return nil
}

func ask(stream extprocv3.ExternalProcessor_ProcessClient, request *extprocv3.ProcessingRequest) (*extprocv3.ProcessingResponse, error) {
	if err := stream.Send(request); err != nil {
		return nil, err
	}
	return stream.Recv()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
