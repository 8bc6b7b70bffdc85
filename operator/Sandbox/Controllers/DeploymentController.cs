using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>Executes the plans of <see cref="DeploymentPlanner"/>.</summary>
internal sealed class DeploymentController(KubeClient client, ControllerEvents events)
{
    private readonly ControllerWriter _writer = new(client);

    public async Task ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var deployment = await client
            .GetOrNullAsync<ControlledDeployment>(key.Name, key.Namespace, cancellationToken)
            .ConfigureAwait(false);
        if (deployment is null)
            return;
        var all = await client
            .ListAsync<ControlledReplicaSet>(new ListOptions { Namespace = key.Namespace }, cancellationToken)
            .ConfigureAwait(false);
        var sets = all.Items.Where(set => set.Metadata.ControllerReference()?.Uid == deployment.Metadata.Uid).ToList();
        var hash = NameSuffix.Hash(Canonical(PodTemplate.Copy(deployment.Spec.Template)));
        var plan = DeploymentPlanner.Plan(deployment, hash, sets, client.TimeProvider.GetUtcNow());

        foreach (var (name, replicas) in plan.Scale.OrderBy(static entry => entry.Key, StringComparer.Ordinal))
        {
            var set = sets.First(candidate => candidate.Metadata.Name == name);
            await client
                .PatchAsync<ControlledReplicaSet>(
                    name,
                    key.Namespace,
                    KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = replicas } }),
                    cancellationToken
                )
                .ConfigureAwait(false);
            var before = set.Spec.Replicas ?? 1;
            events.Publish(
                deployment,
                new ControllerEvent(
                    "Normal",
                    "ScalingReplicaSet",
                    "Scaling",
                    $"Scaled {(replicas > before ? "up" : "down")} replica set {name} from {before} to {replicas}"
                )
            );
        }

        if (plan.Create is { } first)
        {
            var set = ReplicaSet(deployment, hash, first, plan.CreateRevision);
            if (await _writer.CreateAsync<ControlledReplicaSet>(set, key.Namespace, cancellationToken).ConfigureAwait(false))
            {
                events.Publish(
                    deployment,
                    new ControllerEvent(
                        "Normal",
                        "ScalingReplicaSet",
                        "Scaling",
                        $"Scaled up replica set {(string?)set["metadata"]!["name"]} from 0 to {first}"
                    )
                );
            }

            await RevisionAsync<ControlledDeployment>(key, key.Name, plan.CreateRevision, cancellationToken).ConfigureAwait(false);
        }

        if (plan.RevisionOfCurrent is { } revision)
        {
            await RevisionAsync<ControlledReplicaSet>(key, plan.Current!, revision, cancellationToken).ConfigureAwait(false);
            await RevisionAsync<ControlledDeployment>(key, key.Name, revision, cancellationToken).ConfigureAwait(false);
        }

        foreach (var name in plan.Remove)
            await _writer.DeleteAsync(sets.First(set => set.Metadata.Name == name), cancellationToken).ConfigureAwait(false);
        if (plan.Status is { } status)
            await _writer
                .StatusAsync(deployment, status, ControllersJson.Default.ControlledDeploymentStatus, cancellationToken)
                .ConfigureAwait(false);
    }

    private async Task RevisionAsync<T>(ObjectKey key, string name, long revision, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        var annotations = new JsonObject { [DeploymentPlanner.RevisionAnnotation] = revision.ToString(CultureInfo.InvariantCulture) };
        var patch = KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = annotations } });
        await client.PatchAsync<T>(name, key.Namespace, patch, cancellationToken).ConfigureAwait(false);
    }

    private static JsonObject ReplicaSet(ControlledDeployment deployment, string hash, int replicas, long revision)
    {
        var template = PodTemplate.Copy(deployment.Spec.Template);
        var labels = PodTemplate.Object(PodTemplate.Object(template, "metadata"), "labels");
        labels[DeploymentPlanner.HashLabel] = hash;
        var selector = PodTemplate.Copy(deployment.Spec.Selector);
        PodTemplate.Object(selector, "matchLabels")[DeploymentPlanner.HashLabel] = hash;
        var spec = new JsonObject
        {
            ["replicas"] = replicas,
            ["selector"] = selector,
            ["template"] = template,
        };
        if (deployment.Spec.MinReadySeconds is > 0 and var seconds)
            spec["minReadySeconds"] = seconds;
        return new JsonObject
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "ReplicaSet",
            ["metadata"] = new JsonObject
            {
                ["name"] = $"{deployment.Metadata.Name}-{hash}",
                ["namespace"] = deployment.Metadata.Namespace,
                ["labels"] = labels.DeepClone(),
                ["annotations"] = new JsonObject
                {
                    [DeploymentPlanner.RevisionAnnotation] = revision.ToString(CultureInfo.InvariantCulture),
                },
                ["ownerReferences"] = new JsonArray(PodTemplate.Owner(deployment)),
            },
            ["spec"] = spec,
        };
    }

    /// <summary>Sorts the keys of a template, so that another order of keys does not start a rollout.</summary>
    private static string Canonical(JsonNode? node) =>
        node switch
        {
            null => "null",
            JsonObject obj => "{"
                + string.Join(
                    ',',
                    obj.Where(static field => field.Value is not null)
                        .OrderBy(static field => field.Key, StringComparer.Ordinal)
                        .Select(static field => $"\"{JsonEncodedText.Encode(field.Key)}\":{Canonical(field.Value)}")
                )
                + "}",
            JsonArray array => "[" + string.Join(',', array.Select(Canonical)) + "]",
            _ => node.ToJsonString(),
        };
}
