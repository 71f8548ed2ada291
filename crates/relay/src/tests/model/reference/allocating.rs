//! What an Allocate asks for and is given.

use super::*;

impl Model {
    /// Of which families addresses are wanted; none for a retransmission.
    pub(super) fn wanted(
        &mut self,
        who: Who,
        transport: Option<u8>,
        family: Option<u8>,
        ports: Ports,
        wish: Option<Wish>,
    ) -> Result<Vec<bool>, u16> {
        let transaction = (who.client, self.transactions[who.client]);
        if let Some(allocation) = self.live_of(who.client) {
            let is_again = allocation.transaction == transaction && allocation.login == who.login;
            return if is_again { Ok(Vec::new()) } else { Err(437) };
        }
        self.take_away_what_is_over(who.client);
        match transport {
            Some(17) => {}
            Some(6) if self.streams => {
                // RFC 6062 §5.1.
                if ports.token.is_some() || ports.even_port.is_some() {
                    return Err(400);
                }
            }
            Some(_) => return Err(442),
            None => return Err(400),
        }
        let Ports {
            additional,
            even_port,
            token,
        } = ports;
        let is_one = family.is_some() || additional.is_some() || even_port.is_some();
        if token.is_some() && is_one || family.is_some() && additional.is_some() {
            return Err(400);
        }
        if family == Some(3) {
            return Err(440);
        }
        if additional.is_some() && (additional != Some(2) || even_port == Some(0x80)) {
            return Err(400);
        }
        // A token that is not good any more, or never was, has a family, too.
        let of_token = token.map(|token| match token {
            Token::Last => self.last_token.unwrap_or(true),
            Token::Bogus => true,
        });
        if of_token.is_some_and(|is_ipv4| !self.has_family(is_ipv4)) {
            return Err(508);
        }
        let families = match (additional, of_token, family) {
            (Some(_), _, _) => vec![true, false],
            (None, Some(is_ipv4), _) => vec![is_ipv4],
            (None, None, Some(family)) => vec![family == 1],
            // That of the client's own address, where there is none of IPv4.
            (None, None, None) => vec![self.has_family(true) || five_tuple(who.client).is_ipv4()],
        };
        if !families.iter().any(|is_ipv4| self.has_family(*is_ipv4)) {
            return Err(440);
        }
        match wish {
            Some(_) if !self.mobility => Err(405),
            Some(Wish::WithValue) => Err(400),
            Some(Wish::Empty) | None => Ok(families),
        }
    }

    pub(super) fn allocate(
        &mut self,
        who: Who,
        families: Vec<bool>,
        lifetime: Option<u32>,
        asked: Asked,
        refusals: [Option<Refusal>; 2],
    ) -> Result<Success, u16> {
        let (
            now,
            Asked {
                is_tcp,
                ports,
                wish,
            },
        ) = (self.now, asked);
        if families.is_empty() {
            let allocation = self.live_of(who.client).ok_or(437_u16)?;
            let mut answer = allocation.answer.clone();
            // What was deleted since is not told again.
            answer
                .relayed
                .retain(|is_ipv4| allocation.until[usize::from(!is_ipv4)] > 0);
            return Ok(answer);
        }
        if self.drain.is_some() {
            return Err(508);
        }
        let mut answer = Success::with_lifetime(u64::from(lifetime.unwrap_or(0)).clamp(600, 3600));
        let until = now + answer.lifetime.unwrap_or(0) * 1000;
        let mut ends = [0; 2];
        let mut first_error = None;
        for is_ipv4 in families {
            let place = usize::from(!is_ipv4);
            let is_good = match (ports.token, self.reserved) {
                (None, _) => true,
                (Some(Token::Last), Some(login)) => login == who.login,
                (Some(_), _) => false,
            };
            let error = match refusals[place] {
                _ if !self.has_family(is_ipv4) => Some(440),
                Some(Refusal::QuotaReached) => Some(486),
                Some(Refusal::InsufficientCapacity) => Some(508),
                None if !is_good => Some(508),
                None => None,
            };
            if error.is_none() {
                ends[place] = until;
                answer.relayed.push(is_ipv4);
                if ports.token.is_some() {
                    self.reserved = None;
                }
                if ports.even_port == Some(0x80) {
                    answer.reserved = true;
                    (self.last_token, self.reserved) = (Some(is_ipv4), Some(who.login));
                }
            }
            first_error = first_error.or(error);
        }
        if answer.relayed.is_empty() {
            return Err(first_error.unwrap_or(508));
        }
        answer.missing = first_error;
        let number = self.made;
        self.made += 1;
        if wish.is_some() {
            answer.ticket = Some(self.give_ticket(number, 0));
        }
        let allocation = Allocation {
            number,
            client: who.client,
            is_tcp,
            next: None,
            ticket: wish.map(|_| 0),
            login: who.login,
            transaction: (who.client, self.transactions[who.client]),
            answer: answer.clone(),
            until: ends,
            last: now + MAX_AGE_SECONDS * 1000,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        self.allocations.insert(number, allocation);
        Ok(answer)
    }
}
