using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Suspension;
using Bursar.Sandbox.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// The part of an operator that finds and writes what scalers scale, alone on a scene: caches, ledger and actor without the loops that
/// decide.
/// </summary>
internal sealed class ScaleWorld : IAsyncDisposable
{
    /// <summary>The scaler on whose behalf fields are written.</summary>
    public static readonly string ScalerName = "chat";

    private readonly CancellationTokenSource _end = new();
    private Task _caches = Task.CompletedTask;

    private ScaleWorld(Scene scene, KubeClient client, ClusterStores stores)
    {
        (Scene, Client, Stores) = (scene, client, stores);
        Targets = new(stores);
        Scaler = new(scene.Team, ScalerName, $"scaler-{scene.Team}");
    }

    private static CancellationToken Ct => CancellationToken.None;

    public Scene Scene { get; }

    /// <summary>The operator's own.</summary>
    public KubeClient Client { get; }

    public ClusterStores Stores { get; }

    public ScaleTargets Targets { get; }

    public ScalerRef Scaler { get; }

    public GpuLedger Ledger => Store.Ledger;

    public OperatorState State => Store.State;

    public ScaleActor Actor { get; private set; } = null!;

    public LedgerStore Store { get; private set; } = null!;

    public static async Task<ScaleWorld> OpenAsync(
        Scene scene,
        IReadOnlyCollection<string>? kinds = null,
        IReadOnlyCollection<string>? owners = null
    )
    {
        foreach (
            var entity in (EntityKind[])
                [
                    V1LeaderWorkerSet.EntityKind,
                    V1Alpha1Rollout.EntityKind,
                    V1Alpha1DynamoScalingAdapter.EntityKind,
                    V1Beta1InferenceService.EntityKind,
                    V1ScaledObject.EntityKind,
                ]
        )
            await ServeAsync(scene, entity);
        var client = new KubeClient(scene.World.Config, new() { TimeProvider = scene.World.Time, UserAgent = "bursar/scale" });
        var world = new ScaleWorld(scene, client, new(client, ClusterWorld.OwnNamespace, kinds, owners));
        await world.RestartAsync();
        world._caches = world.Stores.RunAsync(world._end.Token);
        await scene.UntilAsync("the caches are there", () => Task.FromResult(world.Stores.HasSynced));
        return world;
    }

    /// <summary>A next process, which knows what is stored and nothing else.</summary>
    public async Task RestartAsync()
    {
        Store = new(Client, ClusterWorld.OwnNamespace, Scene.World.Time, NullLogger<LedgerStore>.Instance);
        await Store.LoadAsync(Ct);
        Actor = new(Client, Stores, Store);
    }

    public ScaleTarget? Find(EntityKind entity, string name) => Targets.Find(Scene.Team, entity.ApiVersion, entity.Kind, name, out _);

    /// <summary>Waits until the caches show a target as it is to be.</summary>
    public async Task<ScaleTarget> UntilAsync(EntityKind entity, string name, Func<ScaleTarget, bool> holds)
    {
        ScaleTarget? seen = null;
        await Scene.UntilAsync($"{entity.Kind} {name} is seen so", () =>
            Task.FromResult((seen = Find(entity, name)) is not null && holds(seen))
        );
        return seen!;
    }

    /// <summary>Scales what is seen once it has so many replicas.</summary>
    public async Task<WriteOutcome> ScaleAsync(EntityKind entity, string name, int from, int to) =>
        await Actor.ScaleAsync(Scaler, await UntilAsync(entity, name, target => target.Replicas == from), to, Ct);

    public async Task<WriteOutcome> CapAsync(string deployment, int max, ScalerRef? scaler = null) =>
        await Actor.CapAsync(
            scaler ?? Scaler,
            await UntilAsync(V1Deployment.EntityKind, deployment, target => target.OtherAutoscaler is not null),
            max,
            Ct
        );

    /// <summary>The records of this scene's objects.</summary>
    public IReadOnlyList<ScalerRecord> Records => [.. State.Scaled().Where(record => record.Namespace == Scene.Team)];

    public async Task CreateAsync(EntityKind entity, string name, string rest)
    {
        var body = JsonNode.Parse($$"""{"apiVersion": "{{entity.ApiVersion}}", "kind": "{{entity.Kind}}", {{rest}}}""")!.AsObject();
        if (body["metadata"] is not JsonObject metadata)
            body["metadata"] = metadata = [];
        metadata["name"] = name;
        await Scene.CreateAsync(entity.Path(Scene.Team), body.ToJsonString());
    }

    public async Task<JsonNode> GetAsync(EntityKind entity, string name) =>
        (await Scene.World.Client.RequestAsync(HttpMethod.Get, entity.Path(Scene.Team, name), null, Ct))!;

    public async Task MergeAsync(EntityKind entity, string name, string patch, string? subresource = null)
    {
        using var content = new StringContent(patch, System.Text.Encoding.UTF8, "application/merge-patch+json");
        await Scene.World.Client.RequestAsync(HttpMethod.Patch, entity.Path(Scene.Team, name, subresource), content, Ct);
    }

    public Task DeleteAsync(EntityKind entity, string name) =>
        Scene.World.Client.RequestAsync(HttpMethod.Delete, entity.Path(Scene.Team, name), null, Ct);

    public async Task<string> UidAsync(EntityKind entity, string name) => (string)(await GetAsync(entity, name))["metadata"]!["uid"]!;

    /// <summary>A pod that an object owns, and that no controller of this world knows.</summary>
    public Task PodAsync(string name, (string ApiVersion, string Kind, string Name, string Uid)? owner, string labels = "{}") =>
        Scene.CreateAsync(
            $"/api/v1/namespaces/{Scene.Team}/pods",
            new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Pod",
                ["metadata"] = new JsonObject
                {
                    ["name"] = name,
                    ["labels"] = JsonNode.Parse(labels),
                    ["ownerReferences"] = owner is not { } by
                        ? null
                        : new JsonArray(
                            new JsonObject
                            {
                                ["apiVersion"] = by.ApiVersion,
                                ["kind"] = by.Kind,
                                ["name"] = by.Name,
                                ["uid"] = by.Uid,
                                ["controller"] = true,
                            }
                        ),
                },
                ["spec"] = new JsonObject
                {
                    ["containers"] = new JsonArray(new JsonObject { ["name"] = "main", ["image"] = "example/server" }),
                },
            }.ToJsonString()
        );

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _caches.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Client.Dispose();
        _end.Dispose();
    }

    /// <summary>A CRD that keeps whatever is in it and scales; ours, as far as Bursar reads the kind.</summary>
    private static async Task ServeAsync(Scene scene, EntityKind entity)
    {
        var scales = entity != V1Beta1InferenceService.EntityKind && entity != V1ScaledObject.EntityKind;
        try
        {
            await scene.World.Client.CreateAsync<V1CustomResourceDefinition>(
                (JsonObject)
                    YamlBody.Parse(
                        $$$"""
                        metadata: {name: {{{entity.Plural}}}.{{{entity.Group}}}, annotations: {api-approved.kubernetes.io: unapproved}}
                        spec:
                          group: {{{entity.Group}}}
                          names: {kind: {{{entity.Kind}}}, plural: {{{entity.Plural}}}, singular: {{{entity.Kind.ToLowerInvariant()}}}}
                          scope: Namespaced
                          versions:
                          - name: {{{entity.Version}}}
                            served: true
                            storage: true
                            subresources: {status: {}{{{(
                            scales ? ", scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}" : ""
                        )}}}}
                            schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                        """
                    )!,
                null,
                Ct
            );
        }
        catch (ApiException there) when (there.IsConflict)
        {
            // Records of an earlier scene on the same control plane.
        }
        await scene.UntilAsync($"{entity.Kind} is served", async () =>
        {
            try
            {
                await scene.World.Client.RequestAsync(HttpMethod.Get, entity.Path(scene.Team), null, Ct);
                return true;
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                return false;
            }
        });
    }
}
