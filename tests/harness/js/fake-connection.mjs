// An RTCPeerConnection that offers and answers, and never finds a path.

export class FakeConnection extends EventTarget {
  signalingState = 'stable';
  connectionState = 'new';
  localDescription = null;
  remoteDescription = null;

  async createOffer() {
    return { type: 'offer', sdp: 'm=application 9\r\n' };
  }

  async setLocalDescription() {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.localDescription = { type, sdp: 'm=application 9\r\n' };
    this.#become(type === 'offer' ? 'have-local-offer' : 'stable');
  }

  async setRemoteDescription(description) {
    this.remoteDescription = description;
    this.#become(description.type === 'offer' ? 'have-remote-offer' : 'stable');
  }

  async addIceCandidate() {}

  restartIce() {}

  close() {
    this.signalingState = 'closed';
  }

  async getStats() {
    return new Map();
  }

  getTransceivers() {
    return [];
  }

  #become(state) {
    this.signalingState = state;
    this.dispatchEvent(new Event('signalingstatechange'));
  }
}
