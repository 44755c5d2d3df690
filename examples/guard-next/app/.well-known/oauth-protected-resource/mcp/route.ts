// Where clients read whose tokens the server takes.
import { guarded } from '../../../../guarded.ts'

export { guarded as GET }
