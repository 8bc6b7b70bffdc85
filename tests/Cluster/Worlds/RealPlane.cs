using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Cluster.Worlds;

/// <summary>
/// One real control plane with nodes, a price book and an operator for all tests that share it; each takes a namespace
/// of its own.
/// </summary>
public sealed class RealPlane : IAsyncLifetime
{
    private ClusterWorld? _world;

    public ClusterWorld World => _world!;

    public async Task InitializeAsync()
    {
        if (!ControlPlane.IsPresent) return;
        var ct = CancellationToken.None;
        _world = await ClusterWorld.StartAsync(real: true, ct, new FleetNode { Name = "gpu-1", Gpu = GpuModel.V100, Gpus = 64 });
        await _world.CreateBookAsync("*V100*", "3.06", ct);
        await _world.StartOperatorAsync(ct);
    }

    public async Task DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class RealCluster : ICollectionFixture<RealPlane>
{
    public const string Name = "one real control plane";
}
