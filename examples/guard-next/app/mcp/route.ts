// The guard in Next 16, as a route handler. Set VALETKEY_URL and VALETKEY_SERVER_KEY.
import { guarded } from '../../guarded.ts'

export { guarded as DELETE, guarded as GET, guarded as POST }
