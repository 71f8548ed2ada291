// Pieces of the page built from data. Other people's words enter as text only.

import { cordOf } from './names.js';

const SVG = 'http://www.w3.org/2000/svg';

/** An element with properties, data-* and children. */
export function el(tag, { data = {}, attrs = {}, ...props } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Change text only when it differs, so screen readers hear changes alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** The round socket that stands for a person. */
export function jack(id, name) {
  const letter = [...name][0]?.toUpperCase() ?? '';
  return el('span', { className: 'jack', textContent: letter, data: { cord: cordOf(id) }, attrs: { 'aria-hidden': 'true' } });
}

function button(action, iconName, label, title) {
  return el('button', {
    type: 'button', className: 'small', title, data: { action }, attrs: { 'aria-label': title },
  }, icon(iconName), el('span', { textContent: label }));
}

// --- who is here ---

export function peerItem(peer) {
  const name = el('span', { className: 'name' });
  const state = el('span', { className: 'peer-state' });
  const item = el('li', { className: 'peer', data: { peer: peer.id } },
    jack(peer.id, peer.name),
    el('div', { className: 'who' }, name, state),
    el('div', { className: 'actions' },
      button('call-video', 'camera', 'Camera', `Call ${peer.name} with camera`),
      button('call-data', 'data', 'Data only', `Call ${peer.name}, data only`),
      button('hangup', 'hangup', 'Hang up', `Hang up on ${peer.name}`)));
  updatePeerItem(item, peer, null);
  return item;
}

export function updatePeerItem(item, peer, call) {
  item.dataset.name = peer.name;
  const name = item.querySelector('.name');
  say(name, peer.name);
  name.title = peer.name;
  const busy = Boolean(call?.live);
  item.dataset.state = busy ? call.state : 'free';
  say(item.querySelector('.peer-state'), peerState(peer, call));
  for (const node of item.querySelectorAll('button')) {
    const hangup = node.dataset.action === 'hangup';
    node.hidden = hangup !== busy;
    node.disabled = !hangup && !peer.callable;
    if (node.disabled) node.title = 'This page speaks another dialect and cannot be called from here';
  }
}

function peerState(peer, call) {
  if (peer.away) return 'On the line, lost the server';
  const kind = call?.media === 'video' ? 'camera' : 'data';
  if (call?.live) return call.state === 'connected' ? `On the line, ${kind}` : `Connecting, ${kind}`;
  return peer.callable ? 'Here' : 'Here, cannot be called';
}

// --- calls ---

export function callCard(call, selfId, selfName) {
  const end = button('end-call', 'hangup', 'Hang up', `Hang up on ${call.peerName}`);
  const card = el('article', {
    className: 'call', data: { call: call.peerId, media: call.media, picture: 'off' },
    attrs: { 'aria-label': `Call with ${call.peerName}` },
  },
  screen(call),
  el('div', { className: 'call-bar' },
    el('div', { className: 'call-who' },
      el('h3', { textContent: call.peerName, title: call.peerName }),
      el('p', { className: 'call-state', attrs: { role: 'status' } })), end),
  el('div', { className: 'trunk', attrs: { 'aria-hidden': 'true' } },
    jack(selfId, selfName), el('span', { className: 'wire' }), el('span', { className: 'relay' }),
    el('span', { className: 'wire' }), jack(call.peerId, call.peerName)),
  el('dl', { className: 'figures' },
    el('div', {}, el('dt', { textContent: 'Path' }), el('dd', { className: 'pair' })),
    el('div', {}, el('dt', { textContent: 'Data channel' }), el('dd', { className: 'channel' }))),
  el('p', { className: 'note', hidden: true, attrs: { role: 'status' } }));
  updateCallCard(card, call);
  return card;
}

function screen(call) {
  const video = (kind) => el('video', {
    autoplay: true, playsInline: true, muted: kind === 'local', data: { [kind]: '' },
    attrs: { 'aria-label': kind === 'local' ? 'Your camera' : `Camera of ${call.peerName}` },
  });
  const local = video('local');
  local.hidden = true;
  const remote = video('remote');
  // A size means frames: Chromium may leave track.muted set while pictures flow.
  remote.addEventListener('resize', () => {
    const card = remote.closest('.call');
    if (remote.srcObject) card.dataset.picture = remote.videoWidth ? 'on' : 'off';
  });
  const unmute = el('button', { type: 'button', className: 'small unmute', hidden: true, textContent: 'Play sound', data: { action: 'unmute' } });
  return el('div', { className: 'screen' }, remote,
    el('div', { className: 'no-picture' }, jack(call.peerId, call.peerName),
      el('p', { className: 'no-picture-text' })), local, unmute);
}

export function updateCallCard(card, call) {
  card.dataset.state = call.state;
  card.dataset.media = call.media;
  if (call.pair) card.dataset.kind = call.pair.kind;
  say(card.querySelector('.call-state'), call.detail);
  const pair = card.querySelector('.pair');
  say(pair, call.pair?.text ?? 'none yet');
  pair.dataset.kind = call.pair?.kind ?? '';
  say(card.querySelector('.channel'), call.channelRtt ?? 'closed');
  say(card.querySelector('.no-picture-text'), call.state === 'connected' ? 'No picture from the other side' : '');
  const end = card.querySelector('[data-action="end-call"]');
  say(end.querySelector('span'), call.live ? 'Hang up' : 'Dismiss');
  end.setAttribute('aria-label', call.live ? `Hang up on ${call.peerName}` : `Dismiss the call with ${call.peerName}`);
  end.title = end.getAttribute('aria-label');
  if (!call.live) clearScreen(card);
}

export function showNote(card, text) {
  const note = card.querySelector('.note');
  note.hidden = !text;
  say(note, text);
}

export function showLocal(card, stream) {
  const local = card.querySelector('[data-local]');
  local.srcObject = stream;
  local.muted = true;
  local.hidden = !stream?.getVideoTracks().length;
}

/** Put a track of the other side on the card's screen. */
export function showTrack(card, track) {
  const remote = card.querySelector('[data-remote]');
  remote.srcObject ??= new MediaStream();
  const stream = remote.srcObject;
  stream.getTracks().filter((old) => old.kind === track.kind && old !== track).forEach((old) => stream.removeTrack(old));
  stream.addTrack(track);
  remote.play().catch((error) => {
    if (error.name !== 'NotAllowedError') return;
    remote.muted = true; // a page nobody touched may play pictures, not sound
    remote.play().catch(() => {});
    card.querySelector('.unmute').hidden = false;
  });
}

export function unmute(card) {
  card.querySelector('[data-remote]').muted = false;
  card.querySelector('.unmute').hidden = true;
}

function clearScreen(card) {
  card.dataset.picture = 'off';
  card.querySelector('[data-remote]').srcObject = null;
  card.querySelector('.unmute').hidden = true;
  showLocal(card, null);
}

// --- chat ---

export function chatItem({ id, name, text, own }) {
  const time = new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return el('li', { className: own ? 'own' : '', data: { cord: cordOf(id) } },
    el('p', { className: 'from' }, el('span', { className: 'name', textContent: name, title: name }), el('time', { textContent: time })),
    el('p', { className: 'text', textContent: text }));
}
