package lab

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// held is a connection through a virtual server that is kept open over a scene.
type held struct {
	client *netlab.Host
	target string
	conn   net.Conn // nil while there is none
	read   *bufio.Reader
}

// answerTime is the longest a held connection may take to answer.
const answerTime = 500 * time.Millisecond

// hold makes sure that there is a connection through each service.
func hold(list []*held, webs []*web) []*held {
	for _, w := range webs[len(list):] {
		list = append(list, &held{client: w.client, target: w.answers.Target})
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

func (h *held) open() {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	var err error
	if h.conn, err = h.client.Dial(ctx, "tcp", h.target); err != nil {
		h.conn = nil
		return
	}
	h.read = bufio.NewReader(h.conn)
	if !h.ask() {
		h.close()
	}
}

// ask says whether the connection still brings an answer.
func (h *held) ask() bool {
	h.conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := io.WriteString(h.conn, "GET / HTTP/1.1\r\nHost: "+h.target+"\r\n\r\n"); err != nil {
		return false
	}
	res, err := http.ReadResponse(h.read, nil)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	return err == nil && !res.Close
}

func (h *held) close() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}
