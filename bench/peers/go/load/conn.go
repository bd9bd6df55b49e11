package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one kept-alive connection with at most one request under way. A closed one is opened again when it is needed.
type conn struct {
	index   int
	fd      int // -1: closed
	due     time.Duration
	large   bool
	unsent  []byte // of the request under way
	waiting bool   // for room to write
	answer  []byte
}

func (l *loader) freeConn() (*conn, error) {
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		if c.fd >= 0 {
			return c, nil
		}
		return c, l.open(c)
	}
	if len(l.conns) >= l.connections {
		return nil, fmt.Errorf("all %d connections are busy", l.connections)
	}
	c := &conn{index: len(l.conns), fd: -1, answer: make([]byte, 0, 8192)}
	l.conns = append(l.conns, c)
	return c, l.open(c)
}

// open connects while the loop waits: on loopback that is a matter of microseconds.
func (l *loader) open(c *conn) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err = unix.Connect(fd, l.address); err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.index)}
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event)
	}
	if err != nil {
		_ = unix.Close(fd)
		l.idle = append(l.idle, c)
		return err
	}
	c.fd = fd
	c.waiting = false
	l.opened++
	return nil
}

// write sends what there is room for, and waits for room for the rest.
func (l *loader) write(c *conn) {
	if c.fd < 0 || len(c.unsent) == 0 && !c.waiting {
		return // closed by an earlier event of the same round
	}
	n, err := unix.Write(c.fd, c.unsent)
	if err == unix.EAGAIN || err == unix.EINTR {
		n, err = 0, nil
	}
	if err == nil {
		c.unsent = c.unsent[n:]
		err = l.awaitRoom(c, len(c.unsent) > 0)
	}
	if err != nil {
		l.fail(c, err.Error())
	}
}

func (l *loader) awaitRoom(c *conn, wait bool) error {
	if c.waiting == wait {
		return nil
	}
	c.waiting = wait
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.index)}
	if wait {
		event.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, &event)
}

func (c *conn) close() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd) // also takes it out of epoll
	}
	c.fd = -1
}

func (l *loader) readable(c *conn) {
	if c.fd < 0 {
		return // closed by an earlier event of the same round
	}
	c.answer = slices.Grow(c.answer, 4096)
	n, err := unix.Read(c.fd, c.answer[len(c.answer):cap(c.answer)])
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		l.fail(c, "the connection was closed")
		return
	}
	c.answer = c.answer[:len(c.answer)+n]
	l.judge(c)
}

const headBytesMax = 8192

var (
	headerEnd   = []byte("\r\n\r\n")
	lengthField = []byte("\r\ncontent-length: ")
	closeField  = []byte("\r\nconnection: close")
)

// judge looks whether the answer is whole, and right.
func (l *loader) judge(c *conn) {
	end := bytes.Index(c.answer, headerEnd)
	if end < 0 {
		if len(c.answer) > headBytesMax {
			l.fail(c, "headers of more than 8 KiB")
		}
		return
	}
	head, body := lowered(c.answer[:end]), c.answer[end+len(headerEnd):]
	status, length := statusOf(head), contentLength(head)
	switch {
	case status != l.status:
		l.fail(c, fmt.Sprintf("status %d", status))
	case length < 0:
		l.fail(c, "no content-length")
	case len(body) < length:
		return // more is to come
	case !bytes.Equal(body, l.expect):
		l.fail(c, fmt.Sprintf("wrong body %.40q", body))
	default:
		if bytes.Contains(head, closeField) || len(c.unsent) > 0 { // answered before it was sent whole
			c.close()
		}
		l.succeeded(c)
	}
}

// lowered changes ASCII letters in place: nginx writes Content-Length, Envoy content-length.
func lowered(head []byte) []byte {
	for i, letter := range head {
		if letter >= 'A' && letter <= 'Z' {
			head[i] = letter + 'a' - 'A'
		}
	}
	return head
}

// statusOf reads "http/1.1 200 ok"; 0 of anything else.
func statusOf(head []byte) int {
	if len(head) < 12 {
		return 0
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return 0
	}
	return status
}

func contentLength(head []byte) int {
	at := bytes.Index(head, lengthField)
	if at < 0 {
		return -1
	}
	digits := head[at+len(lengthField):]
	if end := bytes.IndexByte(digits, '\r'); end >= 0 {
		digits = digits[:end]
	}
	length, err := strconv.Atoi(string(digits))
	if err != nil {
		return -1
	}
	return length
}
