/** A person as a coloured disc with initials; somebody whose name we do not know, with a figure. */

import { UserOutlined } from '@ant-design/icons';

import { Avatar } from 'antd';
import { memo } from 'react';
import { colorOf, initials } from './text.ts';

interface FaceProps {
  name: string;
  anonymous?: boolean;
  size?: number;
}

export const Face = memo(function Face({
  name,
  size = 40,
  anonymous = false,
}: FaceProps): React.ReactElement {
  return (
    <Avatar
      size={size}
      aria-hidden
      style={{ background: colorOf(name), flex: 'none', fontWeight: 600, fontSize: size * 0.36 }}
    >
      {anonymous ? <UserOutlined /> : initials(name)}
    </Avatar>
  );
});
