package lab

import (
	"bufio"
	"context"
	"io"
	"net"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// held is a connection through a virtual server that is kept open over a scene.
type held struct {
	client *netlab.Host
	target target
	conn   net.Conn // nil while there is none
	read   *bufio.Reader
}

// answerTime is the longest a held connection may take to answer.
const answerTime = 500 * time.Millisecond

// hold makes sure that there is a connection through each service.
func hold(list []*held, webs []*web) []*held {
	for _, w := range webs[len(list):] {
		list = append(list, &held{client: w.client, target: w.target})
	}
	for _, h := range list {
		if h.conn == nil {
			h.open()
		}
	}
	return list
}

// drop lets go of all.
func drop(list []*held) []*held {
	for _, h := range list {
		h.close()
	}
	return nil
}

// kept asks once more on every connection; nil if there is none.
func kept(list []*held) *drill.Kept {
	k := new(drill.Kept)
	for _, h := range list {
		if h.conn == nil {
			continue
		}
		k.Held++
		if h.ask() {
			k.Kept++
		} else {
			h.close()
		}
	}
	if k.Held == 0 {
		return nil
	}
	return k
}

// open connects; datagrams have no connections to keep.
func (h *held) open() {
	if h.target.speaks == speaksUDP || h.target.speaks == speaksDNS {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	conn, err := h.client.Dial(ctx, "tcp", h.target.AddrPort.String())
	if err != nil {
		return
	}
	if h.conn = conn; h.target.speaks == speaksHTTPS {
		h.conn = encrypted(conn)
	}
	h.read = bufio.NewReader(h.conn)
	h.conn.SetDeadline(time.Now().Add(answerTime))
	if h.target.speaks == speaksSMTP {
		_, err = whoSMTP(h.read) // the greeting
	}
	if err != nil || !h.ask() {
		h.close()
	}
}

// ask says whether the connection still brings an answer.
func (h *held) ask() bool {
	h.conn.SetDeadline(time.Now().Add(answerTime))
	var err error
	if h.target.speaks != speaksSMTP {
		_, err = whoHTTP(h.conn, h.read, h.target)
	} else if _, err = io.WriteString(h.conn, "NOOP\r\n"); err == nil {
		_, err = whoSMTP(h.read)
	}
	return err == nil
}

func (h *held) close() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}
