package main

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How long requests that are under way at the end may still take.
const drainTime = 15 * time.Second

type loader struct {
	options
	address unix.Sockaddr
	request []byte
	large   []byte
	expect  []byte
	epoll   int
	conns   []*conn
	idle    []*conn

	start    time.Time
	deadline time.Duration // since start; no request starts after it
	started  int
	finished int
	last     time.Duration // when the last request finished

	failures      int
	reasons       map[string]int
	opened        int
	latency       histogram
	largeLatency  histogram
	late          histogram
	progressEvery time.Duration
}

func newLoader(o options) (*loader, error) {
	target, err := netip.ParseAddrPort(o.target)
	if err != nil || !target.Addr().Is4() {
		return nil, fmt.Errorf("-target is IPv4:PORT, not %q", o.target)
	}
	expect, err := os.ReadFile(o.expect)
	if err != nil {
		return nil, err
	}
	request, err := requestOf(o, o.body)
	if err != nil {
		return nil, err
	}
	large, err := requestOf(o, o.largeBody)
	if err != nil {
		return nil, err
	}
	if o.seconds <= 0 && o.requests <= 0 {
		return nil, fmt.Errorf("one of -seconds and -requests is needed")
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	deadline := time.Hour // -requests alone still ends
	if o.seconds > 0 {
		deadline = time.Duration(o.seconds * float64(time.Second))
	}
	return &loader{
		options:  o,
		address:  &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()},
		request:  request,
		large:    large,
		expect:   expect,
		epoll:    epoll,
		deadline: deadline,
		reasons:  map[string]int{},
	}, nil
}

// requestOf is a whole request with the body of the file, without a body where there is no file.
func requestOf(o options, file string) ([]byte, error) {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nhost: bench.test\r\n", o.method, o.path)
	if file == "" {
		return []byte(head + "\r\n"), nil
	}
	body, err := os.ReadFile(file)
	head += fmt.Sprintf("content-type: %s\r\ncontent-length: %d\r\n\r\n", o.contentType, len(body))
	return append([]byte(head), body...), err
}

func (l *loader) now() time.Duration { return time.Since(l.start) }

func (l *loader) run() error {
	l.start = time.Now()
	if l.rate > 0 {
		if err := l.armTimer(); err != nil {
			return err
		}
	} else {
		for range l.closedConnections() {
			l.issue(l.now())
		}
	}
	events := make([]unix.EpollEvent, 256)
	nextProgress := l.progressEvery
	for !l.over() {
		n, err := unix.EpollWait(l.epoll, events, 100)
		if err != nil && err != unix.EINTR {
			return err
		}
		for i := range max(n, 0) {
			if events[i].Fd == timerEvent {
				l.tick(int(events[i].Pad))
				continue
			}
			c := l.conns[events[i].Fd]
			if events[i].Events&unix.EPOLLOUT != 0 {
				l.write(c)
			}
			if events[i].Events&^uint32(unix.EPOLLOUT) != 0 {
				l.readable(c)
			}
		}
		if l.progressEvery > 0 && l.now() > nextProgress {
			fmt.Fprintf(os.Stderr, "%d requests, %d failures\n", l.finished, l.failures)
			nextProgress += l.progressEvery
		}
	}
	for range l.started - l.finished {
		l.fail(nil, "no answer")
	}
	return nil
}

// The connections of the closed loop; fewer when there are fewer requests.
func (l *loader) closedConnections() int {
	if l.requests > 0 {
		return min(l.connections, l.requests)
	}
	return l.connections
}

func (l *loader) mayStart() bool {
	return l.now() < l.deadline && (l.requests == 0 || l.started < l.requests)
}

func (l *loader) over() bool {
	underWay := l.started - l.finished
	if l.mayStart() {
		return l.rate == 0 && underWay == 0 // every connection was refused: nobody is there
	}
	return underWay == 0 || l.now() > max(l.deadline, l.last)+drainTime
}

const timerEvent = -1

// armTimer makes the loop wake at the rate; epoll's own timeout knows milliseconds only.
func (l *loader) armTimer() error {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	every := unix.NsecToTimespec(int64(1e9 / l.rate))
	if err := unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: timerEvent, Pad: int32(timer)}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, timer, &event)
}

// tick starts every request that is due: more than one when the loop comes late.
func (l *loader) tick(timer int) {
	var expirations [8]byte
	_, _ = unix.Read(timer, expirations[:]) // only to make it unreadable: the clock says what is due
	for l.mayStart() {
		due := time.Duration(float64(l.started) / l.rate * float64(time.Second))
		now := l.now()
		if due > now {
			return
		}
		l.late.record((now - due).Microseconds())
		l.issue(due)
	}
}

func (l *loader) issue(due time.Duration) {
	l.started++
	c, err := l.freeConn()
	if err != nil {
		l.fail(nil, err.Error())
		return
	}
	c.due = due
	c.answer = c.answer[:0]
	c.large = l.largeEvery > 0 && l.started%l.largeEvery == 0
	c.unsent = l.request
	if c.large {
		c.unsent = l.large
	}
	l.write(c)
}

// succeeded and fail end a request; in the closed loop its connection takes the next one.
func (l *loader) succeeded(c *conn) {
	l.finished++
	l.last = l.now()
	took := (l.last - c.due).Microseconds()
	if c.large {
		l.largeLatency.record(took)
	} else {
		l.latency.record(took)
	}
	l.idle = append(l.idle, c)
	l.again()
}

func (l *loader) fail(c *conn, reason string) {
	l.finished++
	l.failures++
	l.last = l.now()
	l.reasons[reason]++
	if c != nil {
		c.close()
		l.idle = append(l.idle, c)
		l.again()
	}
}

func (l *loader) again() {
	if l.rate == 0 && l.mayStart() {
		l.issue(l.now())
	}
}

func (l *loader) result() result {
	var large *percentiles
	if l.largeEvery > 0 {
		found := l.largeLatency.percentiles()
		large = &found
	}
	return result{
		LargeUs:     large,
		Requests:    l.started,
		Failures:    l.failures,
		Reasons:     l.reasons,
		Seconds:     l.last.Seconds(),
		Connections: l.opened,
		LatencyUs:   l.latency.percentiles(),
		LateUs:      l.late.percentiles(),
	}
}
