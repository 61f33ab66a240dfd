//! Learned routes as they are written down, and fitted into what is declared and how much room there is now.

use std::{borrow::Cow, collections::BTreeSet};

use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, check},
};
use serde::{Deserialize, Serialize};

use super::{LONGEST, Learned, Node, Origin, RouteId, Routes, is_word, keys, shape};

/// [`Learned`], written down. Where words are crowded, what has moved and what is recalled is seen to within the call that
/// brings it up, so none of it is left between calls.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::route) struct State<'a> {
    nodes: Cow<'a, [Node]>,
    /// The next number to be given out comes last.
    free: Cow<'a, [u32]>,
    overflowed: u64,
}

impl Learned {
    /// What has been learned, to be written down.
    pub(in crate::route) fn checkpoint(&self) -> State<'_> {
        State {
            nodes: Cow::Borrowed(&self.nodes),
            free: Cow::Borrowed(&self.free),
            overflowed: self.overflowed,
        }
    }

    /// What `state` says has been learned of `routes`. If there is room for fewer of them now, those go that have not been
    /// called for longest.
    pub(in crate::route) fn restore(
        most: usize,
        key: HashKey,
        state: State<'_>,
        routes: &mut Routes,
    ) -> Result<Learned, Inconsistent> {
        let State { nodes, free, overflowed } = state;
        let (nodes, free) = (nodes.into_owned(), free.into_owned());
        let learned = Learned { nodes, free, overflowed, ..Learned::new(most, key) };
        let known = learned.check(routes)?;
        let mut learned = learned;
        for &route in &known {
            let (name, hash) = (routes.name(route), routes.get(route).hash);
            if !keys(name).iter().any(|key| key == shape::NAME) {
                learned.index.insert_unique(hash, (hash, route), |&(hash, _)| hash);
            }
            learned.used[routes.get(route).proof as usize] += 1;
        }
        learned.trim(known, routes);
        Ok(learned)
    }

    /// Takes out routes that are `gone`, and ways that lead nowhere without them.
    pub(in crate::route) fn forget(&mut self, gone: &BTreeSet<RouteId>, routes: &Routes) {
        if gone.is_empty() {
            return;
        }
        self.index.retain(|(_, route)| !gone.contains(route));
        self.used = [0; 3];
        for node in &mut self.nodes {
            node.ends.retain(|end| !gone.contains(&end.route));
            for end in &node.ends {
                self.used[routes.get(end.route).proof as usize] += 1;
            }
        }
        self.clear_dead_ends(0);
    }

    /// Removes what there is no room for.
    fn trim(&mut self, mut known: Vec<RouteId>, routes: &mut Routes) {
        known.sort_by_key(|&route| (routes.last_seen(route), route));
        let mut surplus: Vec<usize> =
            self.used.iter().zip(self.room).map(|(used, room)| used.saturating_sub(room)).collect();
        let gone = known.into_iter().filter(|&route| {
            let surplus = &mut surplus[routes.get(route).proof as usize];
            let goes = *surplus > 0;
            *surplus -= usize::from(goes);
            goes
        });
        let gone: BTreeSet<RouteId> = gone.collect();
        self.forget(&gone, routes);
        for route in gone {
            routes.remove(route);
        }
    }

    fn clear_dead_ends(&mut self, node: u32) {
        let mut children = std::mem::take(&mut self.nodes[node as usize].children);
        children.retain(|(key, child)| {
            self.clear_dead_ends(*child);
            let Node { children, ends, answered, .. } = &self.nodes[*child as usize];
            if !children.is_empty() || !ends.is_empty() {
                return true;
            }
            let answered = *answered;
            if is_word(key) {
                for (words, answered) in self.nodes[node as usize].words.iter_mut().zip(answered) {
                    *words = words.saturating_sub(usize::from(answered));
                }
            }
            self.nodes[*child as usize] = Node::default();
            self.free.push(*child);
            false
        });
        self.nodes[node as usize].children = children;
    }

    /// Checks that the nodes are one tree with what is free left over, and its ends learned routes, and returns these.
    fn check(&self, routes: &Routes) -> Result<Vec<RouteId>, Inconsistent> {
        let count = self.nodes.len();
        check((1..=u32::MAX as usize).contains(&count), "there is no place for routes to begin")?;
        let mut reached = vec![false; count];
        reached[0] = true;
        let mut ahead = vec![(0_u32, 0)];
        let mut ends = Vec::new();
        let mut reach = |node: u32| {
            let reached = reached.get_mut(node as usize).ok_or(Inconsistent("a way leads to no place"))?;
            check(!std::mem::replace(reached, true), "two ways lead to one place")
        };
        while let Some((node, depth)) = ahead.pop() {
            let node = &self.nodes[node as usize];
            check(depth <= LONGEST, "a way is too long")?;
            check(node.children.is_sorted_by(|(a, _), (b, _)| a < b), "ways are out of order")?;
            check(node.words.iter().all(|&words| words <= u32::MAX as usize), "there are too many words")?;
            for &(_, child) in &node.children {
                reach(child)?;
                ahead.push((child, depth + 1));
            }
            ends.extend(node.ends.iter().map(|end| end.route));
        }
        for &free in &self.free {
            reach(free)?;
            let Node { children, ends, .. } = &self.nodes[free as usize];
            check(children.is_empty() && ends.is_empty(), "a place is free, and is not")?;
        }
        check(reached.iter().all(|reached| *reached), "no way leads to a place")?;
        let is_learned = |&route: &RouteId| routes.exists(route) && routes.origin(route) == Origin::Learned;
        check(ends.iter().all(is_learned), "a way ends in no learned route")?;
        ends.sort_unstable();
        check(ends.is_sorted_by(|a, b| a < b), "two ways end in one route")?;
        Ok(ends)
    }
}
