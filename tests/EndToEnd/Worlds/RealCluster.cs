using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Operator.Safety;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// One real control plane with a node, its agent and a price book, for tests that play on it one after the other. Each has its own
/// namespace and its own operator process over the one ledger. It starts on first use.
/// </summary>
public sealed class RealCluster : IAsyncLifetime
{
    private static readonly CancellationToken Ct = CancellationToken.None;
    private ClusterWorld? _world;

    public Task InitializeAsync() => Task.CompletedTask;

    /// <summary>
    /// A team's namespace; skips where there is no control plane. The caller leaves the scene by <see cref="LeaveAsync"/>.
    /// </summary>
    public async Task<Scene> OpenAsync(string team, bool startOperator = true)
    {
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        // A scene that took the node's agent away for good leaves the next one a cluster without; those begin on a new one.
        if (_world is { } used && await used.Client.GetOrNullAsync<V1Pod>("bursar-agent-gpu-1", ClusterWorld.AgentNamespace, Ct) is null)
        {
            _world = null;
            await used.DisposeAsync();
        }
        if (_world is null)
        {
            var world = await ClusterWorld.StartAsync(
                real: true,
                new AgentPlacement(),
                Ct,
                new FleetNode
                {
                    Name = "gpu-1",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 32,
                }
            );
            await world.CreateBookAsync("*V100*", "3.06", Ct);
            _world = world;
        }
        var scene = await Scene.OpenAsync(_world, team);
        // The ledger keeps the forecast suspensions of earlier scenes: together they would soon open the breaker.
        await ControlConfigMap.SetAsync(
            _world.Client,
            ClusterWorld.OwnNamespace,
            ObserveOnlyMode.ContinueKey,
            Rfc3339.Format(_world.Time.GetUtcNow()),
            Ct
        );
        if (startOperator)
            await _world.StartOperatorAsync(Ct);
        return scene;
    }

    /// <summary>Plays one scene from its opening to its end.</summary>
    public async Task PlayAsync(string team, Func<Scene, Task> play, bool startOperator = true)
    {
        var scene = await OpenAsync(team, startOperator);
        try
        {
            await play(scene);
        }
        finally
        {
            await LeaveAsync(scene);
        }
    }

    /// <summary>Removes everything of the scene but the ledger. Observe-only mode may be on.</summary>
    public static async Task LeaveAsync(Scene scene)
    {
        var client = scene.World.Client;
        await scene.World.StopOperatorAsync();
        await client.DeleteAsync<V1Namespace>(scene.Team, null, null, Ct);
        await client.DeleteAsync<V1ConfigMap>("bursar-control", ClusterWorld.OwnNamespace, null, Ct);
    }

    public async Task DisposeAsync()
    {
        if (_world is not null)
            await _world.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class RealClusterCollection : ICollectionFixture<RealCluster>
{
    public const string Name = "one real control plane";
}
