// The SDK is TypeScript: Next compiles it with the rest.
export default { transpilePackages: ['@valetkey/sdk'] }
