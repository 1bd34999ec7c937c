import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { ConflictNotice } from '@concord/events';
import type { Target } from './alert.ts';

/** SNS takes ASCII, no line breaks, at most 100. */
const subjectOf = ({ table }: ConflictNotice): string =>
  `Conflict in ${table}`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 100);

/** Attributes, which subscriptions filter by, cannot be empty. */
const attributesOf = ({ id, table, kind, review }: ConflictNotice) =>
  Object.fromEntries(
    Object.entries({ conflictId: id, table, kind, review }).map(([name, StringValue]) => [
      name,
      { DataType: 'String', StringValue },
    ]),
  );

/** A topic of SNS: the notice as JSON. A FIFO topic drops what it gets again within five minutes by itself. */
export function topic(TopicArn: string, sns: SNSClient): Target {
  const isFifo = TopicArn.endsWith('.fifo');
  return {
    name: 'topic',
    send: async (notice) => {
      const command = new PublishCommand({
        TopicArn,
        Subject: subjectOf(notice),
        Message: JSON.stringify(notice),
        MessageAttributes: attributesOf(notice),
        ...(isFifo && { MessageDeduplicationId: notice.id, MessageGroupId: notice.table }),
      });
      try {
        await sns.send(command);
        return { outcome: 'sent' };
      } catch (error) {
        // Rights and names are mended by people, so none of these is final.
        const { name, message } = error as Error;
        return { outcome: 'failed', error: `${name}: ${message}` };
      }
    },
  };
}
