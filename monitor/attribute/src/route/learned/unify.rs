//! Words that turn out to be values: their routes become one.
//!
//! Words of answered paths are counted for each place ([`Learned::answered`]). Where there are too many, every route that
//! goes through one of them is taken out of the tree and put in again ([`Learned::unify`]), with `{name}` in that place;
//! it may meet others there, which makes one of them, and may crowd the next place.

use std::sync::Arc;

use super::{
    End, Learned, Moved, NAMES, NAMES_IN_NEED, Node, Place, Proof, Recalled, Route, Routes, is_value,
    is_word, keys, name,
};

impl Learned {
    /// The way just gone is that of an answered path: its words count.
    pub(super) fn answered(&mut self) {
        let last = self.way.len().saturating_sub(2);
        for at in 0..self.way.len().saturating_sub(1) {
            let (parent, child) = (self.way[at], self.way[at + 1]);
            let place = if at == last { Place::Last } else { Place::Amid };
            if std::mem::replace(&mut self.nodes[child as usize].answered[place as usize], true) {
                continue;
            }
            let node = &mut self.nodes[parent as usize];
            if node.children.iter().any(|(key, other)| *other == child && is_word(key)) {
                node.words[place as usize] += 1;
                if node.words[place as usize] == NAMES + 1 {
                    self.crowded.push_back((parent, place));
                }
            }
        }
    }

    /// Has the place with the most words unified.
    pub(super) fn make_room(&mut self) {
        let places = self.nodes.iter().enumerate().flat_map(|(node, of)| {
            [Place::Last, Place::Amid]
                .map(|place| (of.words[place as usize], node, place, of.names[place as usize]))
        });
        let most = places.filter(|&(.., names)| !names).max_by_key(|&(words, node, ..)| (words, node));
        if let Some((words, node, place, _)) = most
            && words >= NAMES_IN_NEED
        {
            self.crowded.push_back((node as u32, place));
        }
    }

    /// Makes one of the routes that differ in nothing but a value.
    pub(super) fn unify(&mut self, routes: &mut Routes) {
        while let Some((node, place)) = self.crowded.pop_front() {
            if std::mem::replace(&mut self.nodes[node as usize].names[place as usize], true) {
                continue;
            }
            let children = self.nodes[node as usize].children.iter();
            let values: Vec<u32> =
                children.filter(|(key, _)| is_value(key)).map(|(_, child)| *child).collect();
            let mut moved = Vec::new();
            for child in &values {
                match place {
                    Place::Last => moved.append(&mut self.nodes[*child as usize].ends),
                    Place::Amid => {
                        for (_, below) in std::mem::take(&mut self.nodes[*child as usize].children) {
                            self.clear(below, &mut moved);
                        }
                        let emptied = &mut self.nodes[*child as usize];
                        (emptied.words, emptied.names) = ([0; 2], [false; 2]);
                    }
                }
                self.nodes[*child as usize].answered[place as usize] = false;
            }
            self.prune(node);
            for end in moved {
                self.place(end, routes);
            }
        }
        self.recall();
    }

    /// Calls of routes that have moved become calls of the routes that these are now. Only once nothing is crowded any
    /// more: until then a route may move again, or become part of another.
    fn recall(&mut self) {
        for Moved { name, end, touches } in std::mem::take(&mut self.moved) {
            let object = self.go(&mut keys(&name)).join("/");
            let Some(end) = self.end_of_way().end(&end.method, end.operation.as_deref()) else { continue };
            let route = end.route;
            let recalled = |touch| Recalled { route, object: object.clone(), touch };
            self.recalled.extend(touches.into_iter().map(recalled));
        }
        // In the order of time, whatever the order of routes was.
        self.recalled.sort_by_key(|recalled| recalled.touch.at);
    }

    /// Takes the ends out of a node and what is below it, and frees the nodes.
    fn clear(&mut self, node: u32, ends: &mut Vec<End>) {
        let Node { children, ends: mut mine, .. } = std::mem::take(&mut self.nodes[node as usize]);
        ends.append(&mut mine);
        for (_, child) in children {
            self.clear(child, ends);
        }
        self.crowded.retain(|(crowded, _)| *crowded != node);
        self.free.push(node);
    }

    /// Frees the values of a node that lead nowhere any more.
    fn prune(&mut self, node: u32) {
        let mut children = std::mem::take(&mut self.nodes[node as usize].children);
        children.retain(|(key, child)| {
            let Node { children, ends, .. } = &self.nodes[*child as usize];
            let kept = !is_value(key) || !children.is_empty() || !ends.is_empty();
            if !kept {
                self.nodes[*child as usize] = Node::default();
                self.crowded.retain(|(crowded, _)| crowded != child);
                self.free.push(*child);
            }
            kept
        });
        self.nodes[node as usize].children = children;
    }

    /// Finds the new place of a route, where there may be one already.
    fn place(&mut self, end: End, routes: &mut Routes) {
        let route = end.route;
        let mut keys = keys(&routes.get(route).name);
        self.go(&mut keys);
        let hash = routes.get(route).hash;
        if let Ok(entry) = self.index.find_entry(hash, |&(_, other)| other == route) {
            entry.remove();
        }
        let known = self.end_of_way().end(&end.method, end.operation.as_deref()).map(|end| end.route);
        let proof = routes.get(route).proof;
        let touches = std::mem::take(&mut routes.get_mut(route).recent);
        if !touches.is_empty() {
            let name = Arc::clone(&routes.get(route).name);
            self.moved.push(Moved { name, end: end.clone(), touches });
        }
        match known {
            Some(known) => {
                if let Some(removed) = routes.merge_into(known, route) {
                    let Route { seen, proof, .. } = removed;
                    self.used[proof as usize] -= 1;
                    routes.get_mut(known).seen.merge(&seen);
                    // Two that were counted are one now, so there is room.
                    if routes.get(known).proof < proof {
                        self.raise(known, proof, routes);
                    }
                }
            }
            None => {
                let name = name(&end.method, &keys, end.operation.as_deref());
                if let Some(seen) = routes.take_over(&name) {
                    routes.get_mut(route).seen.merge(&seen);
                }
                routes.get_mut(route).name = name.into();
                self.end_of_way().ends.push(end);
            }
        }
        if proof > Proof::Refused {
            self.answered();
        }
    }
}
