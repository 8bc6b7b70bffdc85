using System.Text.Json;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>Executes the plans of <see cref="ReplicaSetPlanner"/>.</summary>
internal sealed class ReplicaSetController(KubeClient client, WorkQueue<ObjectKey> queue, ControllerEvents events, Random random)
{
    private readonly ControllerWriter _writer = new(client);

    public async Task ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var set = await client.GetOrNullAsync<ControlledReplicaSet>(key.Name, key.Namespace, cancellationToken).ConfigureAwait(false);
        if (set is null)
            return;
        var pods = await client
            .ListAsync<ControlledPod>(new ListOptions { Namespace = key.Namespace, LabelSelector = Selector(set) }, cancellationToken)
            .ConfigureAwait(false);
        var own = pods.Items.Where(pod => pod.Metadata.ControllerReference()?.Uid == set.Metadata.Uid).ToList();
        var plan = ReplicaSetPlanner.Plan(set, own, client.TimeProvider.GetUtcNow());

        for (var i = 0; i < plan.Create; i++)
        {
            var name = NameSuffix.Join(set.Metadata.Name, NameSuffix.Next(random));
            var pod = PodTemplate.Pod(set.Spec.Template, name, key.Namespace, PodTemplate.Owner(set));
            if (await _writer.CreateAsync<ControlledPod>(pod, key.Namespace, cancellationToken).ConfigureAwait(false))
                events.Publish(set, new ControllerEvent("Normal", "SuccessfulCreate", "Creating", $"Created pod: {name}"));
        }

        foreach (var pod in plan.Delete)
        {
            await _writer.DeleteAsync(pod, cancellationToken).ConfigureAwait(false);
            events.Publish(set, new ControllerEvent("Normal", "SuccessfulDelete", "Deleting", $"Deleted pod: {pod.Metadata.Name}"));
        }

        if (plan.Status is { } status)
            await _writer
                .StatusAsync(set, status, ControllersJson.Default.ControlledReplicaSetStatus, cancellationToken)
                .ConfigureAwait(false);
        if (plan.Again is { } again)
            queue.AddAfter(key, again);
    }

    /// <summary>Returns the matchLabels as a selector to limit the list. Ownership decides which pods belong to the set.</summary>
    private static string? Selector(ControlledReplicaSet set) =>
        set.Spec.Selector.ValueKind == JsonValueKind.Object
        && set.Spec.Selector.TryGetProperty("matchLabels", out var labels)
        && labels.ValueKind == JsonValueKind.Object
            ? string.Join(',', labels.EnumerateObject().Select(static label => $"{label.Name}={label.Value.GetString()}"))
            : null;
}
