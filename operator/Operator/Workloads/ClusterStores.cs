using Bursar.Kube.Client;
using Bursar.Kube.Informers;
using Bursar.Kube.Objects;
using Bursar.Operator.Api;
using Bursar.Operator.Budgets;

namespace Bursar.Operator.Workloads;

/// <summary>Every list-watch cache of the operator in one place: what it reads of a cluster, and nothing else.</summary>
public sealed class ClusterStores(KubeClient client, string ownNamespace)
{
    public Informer<V1Pod> Pods { get; } = new(client);

    public Informer<V1Node> Nodes { get; } = new(client);

    public Informer<V1Job> Jobs { get; } = new(client);

    public Informer<V1Deployment> Deployments { get; } = new(client);

    public Informer<V1ReplicaSet> ReplicaSets { get; } = new(client);

    public Informer<V1PriorityClass> PriorityClasses { get; } = new(client);

    public Informer<V1HorizontalPodAutoscaler> HorizontalPodAutoscalers { get; } = new(client, new() { Optional = true });

    public Informer<V1ScaledObject> ScaledObjects { get; } = new(client, new() { Optional = true });

    public Informer<V1Workload> KueueWorkloads { get; } = new(client, new() { Optional = true });

    public Informer<V1Alpha1GpuBudget> Budgets { get; } = new(client, transform: budget => BudgetStatus.Slim(budget.Status));

    public Informer<V1Alpha1GpuPriceBook> PriceBooks { get; } = new(client);

    /// <summary>The cluster's switch alone, by name: Bursar reads no other ConfigMap.</summary>
    public Informer<V1ConfigMap> Control { get; } = new(client, new() { Namespace = ownNamespace, FieldSelector = "metadata.name=bursar-control" });

    /// <summary>Runs all caches until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(
        Pods.RunAsync(cancellationToken), Nodes.RunAsync(cancellationToken), Jobs.RunAsync(cancellationToken),
        Deployments.RunAsync(cancellationToken), ReplicaSets.RunAsync(cancellationToken), PriorityClasses.RunAsync(cancellationToken),
        HorizontalPodAutoscalers.RunAsync(cancellationToken), ScaledObjects.RunAsync(cancellationToken), KueueWorkloads.RunAsync(cancellationToken),
        Budgets.RunAsync(cancellationToken), PriceBooks.RunAsync(cancellationToken), Control.RunAsync(cancellationToken));

    /// <summary>No decision is made before every cache was once equal to the server's state.</summary>
    public Task HasSyncedAsync(CancellationToken cancellationToken) => Task.WhenAll(
        Pods.HasSyncedAsync(cancellationToken), Nodes.HasSyncedAsync(cancellationToken), Jobs.HasSyncedAsync(cancellationToken),
        Deployments.HasSyncedAsync(cancellationToken), ReplicaSets.HasSyncedAsync(cancellationToken), PriorityClasses.HasSyncedAsync(cancellationToken),
        HorizontalPodAutoscalers.HasSyncedAsync(cancellationToken), ScaledObjects.HasSyncedAsync(cancellationToken), KueueWorkloads.HasSyncedAsync(cancellationToken),
        Budgets.HasSyncedAsync(cancellationToken), PriceBooks.HasSyncedAsync(cancellationToken), Control.HasSyncedAsync(cancellationToken));

    public bool HasSynced =>
        Pods.HasSynced && Nodes.HasSynced && Jobs.HasSynced && Deployments.HasSynced && ReplicaSets.HasSynced && PriorityClasses.HasSynced
        && HorizontalPodAutoscalers.HasSynced && ScaledObjects.HasSynced && KueueWorkloads.HasSynced && Budgets.HasSynced && PriceBooks.HasSynced && Control.HasSynced;
}
