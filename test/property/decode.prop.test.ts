import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseTopology, type Topology } from '@concord/events';
import sample from '@concord/events/change.sample.json' with { type: 'json' };
