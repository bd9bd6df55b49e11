package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one kept-alive connection with at most one request under way. A closed one is opened again when it is needed.
type conn struct {
	index  int
	fd     int // -1: closed
	due    time.Duration
	answer [8192]byte
	length int
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
	c := &conn{index: len(l.conns), fd: -1}
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
	l.opened++
	return nil
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
	n, err := unix.Read(c.fd, c.answer[c.length:])
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		l.fail(c, "the connection was closed")
		return
	}
	c.length += n
	l.judge(c)
}

var (
	headerEnd   = []byte("\r\n\r\n")
	statusOk    = []byte("HTTP/1.1 200 ")
	lengthField = []byte("\r\ncontent-length: ") // Envoy writes names in lower case
	lengthNginx = []byte("\r\nContent-Length: ")
	closeField  = []byte("\r\nconnection: close")
	closeNginx  = []byte("\r\nConnection: close")
)

// judge looks whether the answer is whole, and right.
func (l *loader) judge(c *conn) {
	answer := c.answer[:c.length]
	end := bytes.Index(answer, headerEnd)
	if end < 0 {
		if c.length == len(c.answer) {
			l.fail(c, "headers of more than 8 KiB")
		}
		return
	}
	head, body := answer[:end], answer[end+len(headerEnd):]
	length := contentLength(head)
	switch {
	case !bytes.HasPrefix(head, statusOk):
		l.fail(c, "status "+string(head[min(9, len(head)):min(12, len(head))]))
	case length < 0 || end+len(headerEnd)+length > len(c.answer):
		l.fail(c, "no content-length, or more than 8 KiB")
	case len(body) < length:
		return // more is to come
	case string(body) != l.expect:
		l.fail(c, fmt.Sprintf("wrong body %.40q", body))
	default:
		if bytes.Contains(head, closeField) || bytes.Contains(head, closeNginx) {
			c.close()
		}
		l.succeeded(c)
	}
}

func contentLength(head []byte) int {
	at := bytes.Index(head, lengthField)
	if at < 0 {
		at = bytes.Index(head, lengthNginx) // as long
	}
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
