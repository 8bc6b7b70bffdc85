using Bursar.Demo;

namespace Bursar.Tests.Benchmarks;

/// <summary>Fills a cluster: GPU pods of real size, ten to a Job, the Jobs in namespaces of their own or a few together.</summary>
internal sealed class Seeder(ApiConnection api)
{
    public const int PodsPerJob = 10;
    private const int GpusPerNode = 8;

    /// <summary>Nodes, Jobs, pods and budgets: a namespace, a Job and a budget for every ten pods.</summary>
    public async Task SeedOperatorWorldAsync(int pods, CancellationToken ct)
    {
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await api.PostYamlAsync("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml, ct);
        foreach (var ns in (string[])["bursar-system", "bursar-agents"])
            await NamespaceAsync(ns, ct);
        await EachAsync(pods / GpusPerNode + 1, node => api.PostAsync("/api/v1/nodes", BenchObjects.Node(node), ct), ct);
        await EachAsync(pods / PodsPerJob, job => JobAsync(job, $"team-{job:D4}", withBudget: true, ct), ct);
    }

    /// <summary>Pods alone, for what is measured of the client.</summary>
    public async Task SeedPodsAsync(int pods, CancellationToken ct)
    {
        const int namespaces = 20;
        for (var ns = 0; ns < namespaces; ns++)
            await NamespaceAsync($"team-{ns:D4}", ct);
        await EachAsync(pods / PodsPerJob, job => JobAsync(job, $"team-{job % namespaces:D4}", withBudget: false, ct), ct);
    }

    private async Task JobAsync(int job, string ns, bool withBudget, CancellationToken ct)
    {
        var uid = Guid.Empty.ToString();
        if (withBudget)
        {
            await NamespaceAsync(ns, ct);
            await api.PostAsync($"/apis/bursar.dev/v1alpha1/namespaces/{ns}/gpubudgets", BenchObjects.Budget, ct);
            uid = (string)
                (await api.PostAsync($"/apis/batch/v1/namespaces/{ns}/jobs", BenchObjects.Job(job, PodsPerJob), ct))["metadata"]!["uid"]!;
        }
        for (var i = 0; i < PodsPerJob; i++)
        {
            var pod = job * PodsPerJob + i;
            await api.PostAsync($"/api/v1/namespaces/{ns}/pods", BenchObjects.Pod(job, pod, pod / GpusPerNode, uid), ct);
            await api.MergeAsync($"/api/v1/namespaces/{ns}/pods/{BenchObjects.PodName(job, pod)}/status", BenchObjects.PodStatus(pod), ct);
        }
    }

    private Task NamespaceAsync(string name, CancellationToken ct) =>
        api.PostAsync("/api/v1/namespaces", $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{name}}" } }""", ct);

    private static Task EachAsync(int count, Func<int, Task> one, CancellationToken ct) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, count),
            new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = ct },
            async (i, _) => await one(i)
        );
}
