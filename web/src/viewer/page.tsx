import { Message } from '../ui/message';

export default function ViewerPage({ path }: { path: string }) {
  return <Message kind="empty" title={path} text="The viewer is not part of this version yet." />;
}
