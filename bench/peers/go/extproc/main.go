// The ext_proc server a Go team would write today: grpc-go and go-control-plane. It does to a body what the agglo
// configurations of the benchmark do (bench/rig/work.ts): one field is added at the end of a JSON object, of requests, of
// responses, and of every line where Envoy sends a body as it comes (FULL_DUPLEX_STREAMED).
//
// It is meant as a strong opponent, so: the body is validated and spliced, never decoded into a map; windows are large;
// nothing is logged.
//
//	extproc 127.0.0.1:0            prints "listening 127.0.0.1:PORT"; ends on SIGTERM
//	extproc 127.0.0.1:0 reject     refuses every object that does not have the field
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const addedField = `"priority":"high"`

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer(
		// The default of 64 KiB lets the bodies of all requests queue behind each other on Envoy's one connection.
		grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(16<<20),
		grpc.MaxRecvMsgSize(17<<20),
		// The generated Envoy configuration pings every 10 s; grpc-go's default answers that with GOAWAY too_many_pings.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 10 * time.Second}),
	)
	rejects := len(os.Args) > 2 && os.Args[2] == "reject"
	extprocv3.RegisterExternalProcessorServer(server, &processor{rejects: rejects})
	healthServer := health.NewServer()
	healthServer.SetServingStatus(extprocv3.ExternalProcessor_ServiceDesc.ServiceName, healthgrpc.HealthCheckResponse_SERVING)
	healthgrpc.RegisterHealthServer(server, healthServer)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		server.Stop()
	}()
	fmt.Println("listening", listener.Addr())
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type processor struct {
	extprocv3.UnimplementedExternalProcessorServer
	rejects bool
}

// Process answers one stream: one HTTP request. Envoy ends it with a reset, which Recv reports as an error.
func (p *processor) Process(stream grpc.BidiStreamingServer[extprocv3.ProcessingRequest, extprocv3.ProcessingResponse]) error {
	var duplex lines
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		duplex.mode(request)
		answer := p.answerTo(request, &duplex)
		if answer == nil {
			return status.Errorf(codes.InvalidArgument, "unexpected message %T", request.Request)
		}
		if err := stream.Send(answer); err != nil {
			return nil
		}
	}
}

func (p *processor) answerTo(request *extprocv3.ProcessingRequest, duplex *lines) *extprocv3.ProcessingResponse {
	switch message := request.Request.(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{
			RequestHeaders: &extprocv3.HeadersResponse{},
		}}
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
			ResponseHeaders: &extprocv3.HeadersResponse{},
		}}
	case *extprocv3.ProcessingRequest_RequestBody:
		response, ok := p.bodyAnswer(message.RequestBody, duplex)
		if !ok {
			return refusal()
		}
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{
			RequestBody: &extprocv3.BodyResponse{Response: response},
		}}
	case *extprocv3.ProcessingRequest_ResponseBody:
		response, ok := p.bodyAnswer(message.ResponseBody, duplex)
		if !ok {
			return refusal()
		}
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{
			ResponseBody: &extprocv3.BodyResponse{Response: response},
		}}
	case *extprocv3.ProcessingRequest_RequestTrailers:
		return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestTrailers{
			RequestTrailers: &extprocv3.TrailersResponse{},
		}}
	}
	return nil
}

func (p *processor) bodyAnswer(body *extprocv3.HttpBody, duplex *lines) (*extprocv3.CommonResponse, bool) {
	if duplex.on {
		edited, ok := duplex.edit(body.Body, body.EndOfStream)
		return streamed(edited, body.EndOfStream), ok
	}
	if p.rejects {
		return &extprocv3.CommonResponse{}, bytes.Contains(body.Body, []byte(addedField))
	}
	edited, ok := edit(body.Body)
	return replacement(edited), ok
}

// lines edits a body of newline-delimited objects as it comes: what is left of a line waits for its end.
type lines struct {
	on   bool
	rest []byte
}

func (l *lines) mode(request *extprocv3.ProcessingRequest) {
	if config := request.ProtocolConfig; config != nil { // on the first message of a stream only
		l.on = config.RequestBodyMode == filterv3.ProcessingMode_FULL_DUPLEX_STREAMED
	}
}

func (l *lines) edit(chunk []byte, last bool) ([]byte, bool) {
	l.rest = append(l.rest, chunk...)
	edited := make([]byte, 0, len(l.rest)+len(l.rest)/16)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			break
		}
		line, ok := edit(l.rest[:end])
		if !ok {
			return nil, false
		}
		edited = append(append(edited, line...), '\n')
		l.rest = l.rest[end+1:]
	}
	return edited, !last || len(l.rest) == 0
}

func streamed(body []byte, last bool) *extprocv3.CommonResponse {
	return &extprocv3.CommonResponse{BodyMutation: &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_StreamedResponse{
		StreamedResponse: &extprocv3.StreamedBodyResponse{Body: body, EndOfStream: last},
	}}}
}

// edit adds the field at the end of a JSON object; false for anything else.
func edit(body []byte) ([]byte, bool) {
	trimmed := bytes.TrimRight(body, " \t\r\n")
	if !json.Valid(trimmed) || trimmed[len(trimmed)-1] != '}' {
		return nil, false
	}
	open := trimmed[:len(trimmed)-1]
	edited := make([]byte, 0, len(trimmed)+len(addedField)+1)
	edited = append(edited, open...)
	if rest := bytes.TrimRight(open, " \t\r\n"); rest[len(rest)-1] != '{' {
		edited = append(edited, ',')
	}
	edited = append(edited, addedField...)
	return append(edited, '}'), true
}

// replacement carries the new length along: Envoy refuses a body that disagrees with content-length.
func replacement(body []byte) *extprocv3.CommonResponse {
	return &extprocv3.CommonResponse{
		HeaderMutation: &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{{
			Header: &corev3.HeaderValue{Key: "content-length", RawValue: strconv.AppendInt(nil, int64(len(body)), 10)},
		}}},
		BodyMutation: &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: body}},
	}
}

// refusal is the same in all variants (bench/rig/work.ts).
func refusal() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ImmediateResponse{
		ImmediateResponse: &extprocv3.ImmediateResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_UnprocessableEntity},
			Body:   []byte(`{"error":"no priority"}`),
		},
	}}
}
