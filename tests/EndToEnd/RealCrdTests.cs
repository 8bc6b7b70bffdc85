using System.Text;
using System.Text.Json.Nodes;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Operator.Safety;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Suspension and restore with the CRDs that the kinds' own projects publish, on a real kube-apiserver with its own etcd. The CRDs are not
/// part of this repository: BURSAR_TEST_CRDS names a folder that holds them as YAML files, one CRD a file. Kinds without one are left out.
/// </summary>
public sealed class RealCrdTests(ITestOutputHelper output)
{
    /// <summary>One fewer than the breaker lets forecasts suspend at once.</summary>
    private const int AtOnce = 4;

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task Every_kind_is_suspended_and_restored_under_its_own_CRD()
    {
        var folder = Environment.GetEnvironmentVariable("BURSAR_TEST_CRDS");
        Skip.If(string.IsNullOrEmpty(folder), "BURSAR_TEST_CRDS names no folder with the kinds' own CRDs");
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        await using var world = await ClusterWorld.StartAsync(
            real: true,
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 32,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        foreach (var file in Directory.GetFiles(folder!, "*.yaml").Order(StringComparer.Ordinal))
            await world.Client.RequestAsync(
                HttpMethod.Post,
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                new StringContent(await File.ReadAllTextAsync(file, Ct), Encoding.UTF8, "application/yaml"),
                Ct
            );
        var kinds = new List<string>();
        foreach (var kind in WorkloadKinds.All.Where(kind => Kinds.All.Contains(kind.Name)))
            if (await ServedAsync(world, kind))
                kinds.Add(kind.Name);
        output.WriteLine($"with their own CRDs: {string.Join(", ", kinds)}");
        kinds.Should().NotBeEmpty();

        foreach (var some in kinds.Chunk(AtOnce))
        {
            var scene = await Scene.OpenAsync(world, $"crds-{some[0].ToLowerInvariant()}");
            await ControlConfigMap.SetAsync(
                world.Client,
                ClusterWorld.OwnNamespace,
                ObserveOnlyMode.ContinueKey,
                Rfc3339.Format(world.Time.GetUtcNow()),
                Ct
            );
            await world.StartOperatorAsync(Ct);
            await Kinds.SuspendedAndRestoredAsync(scene, some);
            await world.StopOperatorAsync();
            output.WriteLine($"suspended and given back: {string.Join(", ", some)}");
        }
    }

    private static async Task<bool> ServedAsync(ClusterWorld world, WorkloadKind kind)
    {
        JsonNode? crd;
        try
        {
            crd = await world.Client.RequestAsync(
                HttpMethod.Get,
                $"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.Entity.Plural}.{kind.Entity.Group}",
                null,
                Ct
            );
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return false;
        }
        crd!["spec"]!["versions"]!.AsArray().Select(version => (string)version!["name"]!).Should().Contain(kind.Entity.Version);
        await Kinds.UntilServedAsync(world, kind.Entity);
        return true;
    }
}
