using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>Executes the plans of <see cref="JobPlanner"/>; reads the state again for each plan.</summary>
internal sealed class JobController(KubeClient client, WorkQueue<ObjectKey> queue, ControllerEvents events, Random random)
{
    private readonly ControllerWriter _writer = new(client);

    /// <summary>Messages of FailJob rules, because a pod may be deleted before its Job is reconciled.</summary>
    private readonly ConcurrentDictionary<string, string> _failJob = new(StringComparer.Ordinal);

    private readonly ConcurrentDictionary<string, PodFailurePolicy> _policies = new(StringComparer.Ordinal);

    public void Saw(ControlledJob job)
    {
        if (job.Spec.PodFailurePolicy is { } policy)
            _policies[job.Metadata.Uid] = policy;
        queue.Add(ObjectKey.From(job));
    }

    public void Gone(ControlledJob job)
    {
        _policies.TryRemove(job.Metadata.Uid, out _);
        _failJob.TryRemove(job.Metadata.Uid, out _);
        queue.Add(ObjectKey.From(job));
    }

    public void Saw(ControlledPod pod)
    {
        if (ControllerKeys.OwnerOf(pod, "Job") is not { } key)
            return;
        var uid = pod.Metadata.ControllerReference()!.Uid;
        if (
            _policies.TryGetValue(uid, out var policy)
            && PodFailureRules.Evaluate(policy, pod) is { Action: PodFailureRules.FailJob } verdict
        )
            _failJob.TryAdd(uid, verdict.Message);
        queue.Add(key);
    }

    public async Task ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var job = await client.GetOrNullAsync<ControlledJob>(key.Name, key.Namespace, cancellationToken).ConfigureAwait(false);
        var pods = await ListPodsAsync(key, cancellationToken).ConfigureAwait(false);
        foreach (var orphan in pods.Where(pod => pod.Metadata.ControllerReference()?.Uid != job?.Metadata.Uid))
            await _writer.ReleaseAsync(orphan, JobPlanner.TrackingFinalizer, cancellationToken).ConfigureAwait(false);
        if (job is null)
            return;

        var own = pods.Where(pod => pod.Metadata.ControllerReference()?.Uid == job.Metadata.Uid).ToList();
        var plan = JobPlanner.Plan(job, own, _failJob.GetValueOrDefault(job.Metadata.Uid), client.TimeProvider.GetUtcNow());
        await CarryOutAsync(job, plan, cancellationToken).ConfigureAwait(false);
        if (plan.Again is { } again)
            queue.AddAfter(key, again);
    }

    private async Task CarryOutAsync(ControlledJob job, JobPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Uncounted is { } uncounted)
        {
            var intermediate = job.Status with { UncountedTerminatedPods = uncounted };
            await _writer
                .StatusAsync(job, intermediate, ControllersJson.Default.ControlledJobStatus, cancellationToken)
                .ConfigureAwait(false);
        }

        foreach (var pod in plan.Release)
            await _writer.ReleaseAsync(pod, JobPlanner.TrackingFinalizer, cancellationToken).ConfigureAwait(false);
        foreach (var pod in plan.Delete)
        {
            await _writer.ReleaseAsync(pod, JobPlanner.TrackingFinalizer, cancellationToken).ConfigureAwait(false);
            await _writer.DeleteAsync(pod, cancellationToken).ConfigureAwait(false);
            events.Publish(job, new ControllerEvent("Normal", "SuccessfulDelete", "Deleting", $"Deleted pod: {pod.Metadata.Name}"));
        }

        foreach (var planned in plan.Create)
        {
            var pod = Pod(job, planned);
            var name = (string)pod["metadata"]!["name"]!;
            if (await _writer.CreateAsync<ControlledPod>(pod, job.Metadata.Namespace!, cancellationToken).ConfigureAwait(false))
                events.Publish(job, new ControllerEvent("Normal", "SuccessfulCreate", "Creating", $"Created pod: {name}"));
        }

        if (plan.Status is { } status && (plan.Uncounted is not null || status.Text() != job.Status.Text()))
            await _writer.StatusAsync(job, status, ControllersJson.Default.ControlledJobStatus, cancellationToken).ConfigureAwait(false);
        foreach (var happened in plan.Events)
            events.Publish(job, happened);
        if (plan.DeleteJob)
            await _writer.DeleteAsync(job, cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<ControlledPod>> ListPodsAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        // Jobs with pods have names that fit into a label value.
        var options = new ListOptions { Namespace = key.Namespace, LabelSelector = $"{JobPlanner.JobNameLabel}={key.Name}" };
        var list = await client.ListAsync<ControlledPod>(options, cancellationToken).ConfigureAwait(false);
        return [.. list.Items.Where(pod => pod.Metadata.ControllerReference() is { Kind: "Job" } owner && owner.Name == key.Name)];
    }

    private JsonObject Pod(ControlledJob job, PlannedPod planned)
    {
        var number = planned.Index?.ToString(CultureInfo.InvariantCulture);
        var stem = number is null ? job.Metadata.Name : $"{job.Metadata.Name}-{number}";
        var pod = PodTemplate.Pod(
            job.Spec.Template,
            NameSuffix.Join(stem, NameSuffix.Next(random)),
            job.Metadata.Namespace!,
            PodTemplate.Owner(job)
        );
        var metadata = pod["metadata"]!.AsObject();
        metadata["finalizers"] = new JsonArray(JobPlanner.TrackingFinalizer);
        var labels = PodTemplate.Object(metadata, "labels");
        labels[JobPlanner.JobNameLabel] = job.Metadata.Name;
        labels["job-name"] = job.Metadata.Name;
        labels[JobPlanner.ControllerUidLabel] = job.Metadata.Uid;
        labels["controller-uid"] = job.Metadata.Uid;
        if (number is null)
            return pod;

        labels[JobPlanner.IndexKey] = number;
        var annotations = PodTemplate.Object(metadata, "annotations");
        annotations[JobPlanner.IndexKey] = number;
        if (planned.Failures is { } failures)
            annotations[JobPlanner.FailuresKey] = failures.ToString(CultureInfo.InvariantCulture);
        if (planned.Ignored > 0)
            annotations[JobPlanner.IgnoredFailuresKey] = planned.Ignored.ToString(CultureInfo.InvariantCulture);
        var spec = pod["spec"]!.AsObject();
        spec["hostname"] ??= stem;
        foreach (var list in new[] { "initContainers", "containers" })
        {
            foreach (var container in spec[list] as JsonArray ?? [])
                AddIndexVariable(container!.AsObject());
        }

        return pod;
    }

    private static void AddIndexVariable(JsonObject container)
    {
        if (container["env"] is not JsonArray env)
            container["env"] = env = [];
        if (env.Any(static variable => (string?)variable?["name"] == "JOB_COMPLETION_INDEX"))
            return;
        env.Add(
            (JsonNode)
                new JsonObject
                {
                    ["name"] = "JOB_COMPLETION_INDEX",
                    ["valueFrom"] = new JsonObject
                    {
                        ["fieldRef"] = new JsonObject { ["fieldPath"] = $"metadata.labels['{JobPlanner.IndexKey}']" },
                    },
                }
        );
    }
}
