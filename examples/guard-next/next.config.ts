// The SDK is TypeScript: Next compiles it with the rest, and checks it by tsconfig.json, which has to take the ends of its imports.
export default { transpilePackages: ['@valetkey/sdk'] }
