using Bursar.Sandbox;
using EmbeddedCluster = Bursar.Sandbox.Sandbox;

namespace Bursar.Tests.Benchmarks;

/// <summary>The measured side's counterpart: an embedded cluster, filled, until its input ends.</summary>
internal static class SandboxProcess
{
    public static async Task<int> RunAsync(int pods, CancellationToken ct)
    {
        await using var server = await EmbeddedCluster.StartAsync(new SandboxOptions(), ct);
        using var api = new ApiConnection(server.Address, server.Token);
        await new Seeder(api).SeedOperatorWorldAsync(pods, ct);
        var kubeconfig = Path.Combine(Path.GetTempPath(), $"bursar-bench-{Guid.NewGuid():N}.kubeconfig");
        await server.WriteKubeconfigAsync(kubeconfig, ct);
        try
        {
            Console.WriteLine(kubeconfig);
            await Console.In.ReadToEndAsync(ct);
        }
        finally
        {
            File.Delete(kubeconfig);
        }
        return 0;
    }
}
