using Bursar.Kubernetes.Config;

namespace Bursar.Tests.Benchmarks;

/// <summary>Changes 1,000 pods on each command. It runs beside the reader, so that its work is not counted as the reader's.</summary>
internal static class WriterProcess
{
    public const int Updates = 1000;

    public static async Task<int> RunAsync(string kubeconfig, CancellationToken ct)
    {
        var config = KubeConfig.FromFile(kubeconfig);
        using var api = ApiConnection.Parse(config);
        var paths = await api.NamesAsync("/api/v1/pods", Updates, ct);
        for (var round = 0; await Console.In.ReadLineAsync(ct) is not null; round++)
        {
            var beat = BenchObjects.PodBeat(round);
            await Parallel.ForEachAsync(
                paths,
                new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = ct },
                async (path, token) => await api.MergeAsync(path + "/status", beat, token)
            );
            Console.WriteLine("written");
        }
        return 0;
    }
}
