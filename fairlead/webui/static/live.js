// Live data over one WebSocket. Views that open the same topic share a subscription.

import { getJson, socket } from "/ui/api.js";
import { onceAFrame } from "/ui/dom.js";

const FIGURES = ["traffic", "latency"];
const KEEP_MS = 5000; // a subscription outlives its last view, so that switching back is instant

class Topic {
  constructor(live, id, topic, namespace) {
    Object.assign(this, { live, id, topic, namespace, users: 0, listeners: new Set() });
    this.map = new Map();
    this.synced = false;
    this.error = "";
    this.tell = onceAFrame(() => this.listeners.forEach((listener) => listener(this)));
  }

  receive(message) {
    if (message.error !== undefined) {
      this.error = message.error;
      this.code = message.code;
    } else if (message.items) {
      if (message.first) this.next = new Map();
      for (const item of message.items) this.next.set(item.k, item);
      if (message.first && !this.synced) this.map = this.next; // show the first page at once
      if (message.done) {
        this.map = this.next;
        this.synced = true;
      }
      this.error = "";
    } else if (message.events) {
      for (const [what, item] of message.events) {
        if (what === "+") this.map.set(item.k, item);
        else this.map.delete(item);
      }
      this.listeners.forEach((listener) => listener.events?.(message.events));
    } else {
      this.last = message;
      this.listeners.forEach((listener) => listener.figures?.(message));
    }
    this.tell();
  }
}

export class Live {
  constructor(report) {
    this.report = report;
    this.topics = new Map();
    this.byId = new Map();
    this.number = 0;
    this.wait = 250;
    this.connect();
  }

  connect() {
    this.socket = socket("/ui/stream", "v1.ui.fairlead");
    this.socket.onopen = () => {
      this.wait = 250;
      this.report("");
      for (const topic of this.byId.values()) this.send({ open: topic.id, topic: topic.topic, namespace: topic.namespace });
    };
    this.socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.byId.get(message.id)?.receive(message);
    };
    this.socket.onclose = () => {
      this.report("The connection to the cluster is lost. Trying again …");
      setTimeout(() => this.again(), this.wait);
      this.wait = Math.min(this.wait * 2, 4000);
    };
  }

  async again() {
    try {
      await getJson("/ui/session"); // leads to the login if the session has ended
    } catch {
      // the server does not answer yet
    }
    this.connect();
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Calls `listener` after changes, at most once a frame. Returns the topic; close it by `close(topic, listener)`.
  open(name, namespace, listener) {
    const key = `${name} ${namespace}`;
    let topic = this.topics.get(key);
    if (!topic) {
      topic = new Topic(this, ++this.number, name, namespace);
      this.topics.set(key, topic);
      this.byId.set(topic.id, topic);
      this.send({ open: topic.id, topic: name, namespace });
    }
    topic.users++;
    topic.listeners.add(listener);
    topic.tell();
    return topic;
  }

  close(topic, listener) {
    topic.listeners.delete(listener);
    if (--topic.users > 0) return;
    // Figures build on their first message, so each view begins anew.
    if (FIGURES.includes(topic.topic)) this.drop(topic);
    else setTimeout(() => topic.users > 0 || this.drop(topic), KEEP_MS);
  }

  drop(topic) {
    const key = `${topic.topic} ${topic.namespace}`;
    if (this.topics.get(key) === topic) this.topics.delete(key);
    this.byId.delete(topic.id);
    this.send({ close: topic.id });
  }
}

// The subscriptions of one view, closed together.
export class Scope {
  constructor(live) {
    this.live = live;
    this.ends = [];
  }

  open(name, namespace, listener) {
    const topic = this.live.open(name, namespace, listener);
    this.ends.push(() => this.live.close(topic, listener));
    return topic;
  }

  every(ms, work) {
    const timer = setInterval(work, ms);
    this.ends.push(() => clearInterval(timer));
  }

  onEnd(work) {
    this.ends.push(work);
  }

  end() {
    this.ends.splice(0).forEach((work) => work());
  }
}
