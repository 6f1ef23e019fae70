// Links that show one image to anybody who has them.
import { useQuery } from '@tanstack/react-query';
import { change, get, query } from './client';

export interface Share {
  token: string;
  path: string;
  address: string; // "/share/TOKEN/zarr/v3/"
  expires: string;
}

export const useShares = () =>
  useQuery({
    queryKey: ['shares'],
    queryFn: async ({ signal }) => (await get<{ shares: Share[] }>('api/shares', signal)).shares,
    refetchInterval: 30_000,
  });

export const makeShare = (path: string, hours: number) => change<Share>('POST', `api/shares?${query({ path, hours })}`);
export const endShare = (token: string) => change<object>('DELETE', `api/shares?${query({ token })}`);

// What another program is given. `page` is the address of this page.
export function shareAddress(share: Share, zarr: 'v2' | 'v3', page: string): string {
  return new URL(`share/${share.token}/zarr/${zarr}`, page.replace(/#.*/, '')).href;
}
