using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>
/// Creates the Jobs of CronJobs. After several missed times, only the latest is started, like Kubernetes does.
/// </summary>
internal sealed class CronJobController(KubeClient client, WorkQueue<ObjectKey> queue, ControllerEvents events)
{
    private const string ScheduledAt = "batch.kubernetes.io/cronjob-scheduled-timestamp";

    /// <summary>The most missed times to search; beyond it, the search continues from the last hour.</summary>
    private const int MaxMissed = 1_000;

    private readonly ControllerWriter _writer = new(client);

    public async Task ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (
            await client.GetOrNullAsync<ControlledCronJob>(key.Name, key.Namespace, cancellationToken).ConfigureAwait(false)
            is not { Metadata.DeletionTimestamp: null } cron
        )
            return;
        var jobs = await client.ListAsync<ControlledJob>(new() { Namespace = key.Namespace }, cancellationToken).ConfigureAwait(false);
        var own = jobs.Items.Where(job => job.Metadata.ControllerReference()?.Uid == cron.Metadata.Uid).ToList();
        var active = own.Where(job => !job.IsFinished).ToList();
        var now = client.TimeProvider.GetUtcNow();
        var last = cron.Status.LastScheduleTime;
        if (CronSchedule.TryParse(cron.Spec.Schedule, cron.Spec.TimeZone) is not { } schedule)
            events.Publish(
                cron,
                new ControllerEvent(
                    "Warning",
                    "UnparseableSchedule",
                    "Scheduling",
                    $"unparseable schedule \"{cron.Spec.Schedule}\" or time zone \"{cron.Spec.TimeZone}\""
                )
            );
        else if (cron.Spec.Suspend != true)
        {
            if (Due(cron, schedule, now) is { } due && await StartAsync(cron, active, due, cancellationToken).ConfigureAwait(false))
                last = due;
            if (schedule.After(now) is { } next)
                queue.AddAfter(key, next - now);
        }

        foreach (
            var old in Outlived(own.Where(job => job.Status.Is("Complete")), cron.Spec.SuccessfulJobsHistoryLimit ?? 3)
                .Concat(Outlived(own.Where(job => job.Status.Is("Failed")), cron.Spec.FailedJobsHistoryLimit ?? 1))
        )
            await _writer.DeleteAsync(old, cancellationToken).ConfigureAwait(false);
        var status = new ControlledCronJobStatus
        {
            Active =
                active.Count == 0
                    ? null
                    : [.. active.OrderBy(job => job.Metadata.Name, StringComparer.Ordinal).Select(job => V1ObjectReference.To(job))],
            LastScheduleTime = last,
            LastSuccessfulTime = own.Select(job => job.Status.CompletionTime).Append(cron.Status.LastSuccessfulTime).Max(),
        };
        if (status.Text() != cron.Status.Text())
            await _writer
                .StatusAsync(cron, status, ControllersJson.Default.ControlledCronJobStatus, cancellationToken)
                .ConfigureAwait(false);
    }

    /// <summary>Returns the latest scheduled time that has passed without a Job; null if there is none.</summary>
    private static DateTimeOffset? Due(ControlledCronJob cron, CronSchedule schedule, DateTimeOffset now)
    {
        var from = cron.Status.LastScheduleTime ?? cron.Metadata.CreationTimestamp ?? now;
        if (cron.Spec.StartingDeadlineSeconds is { } seconds && now.AddSeconds(-seconds) > from)
            from = now.AddSeconds(-seconds);
        DateTimeOffset? due = null;
        for (var (next, missed) = (schedule.After(from), 0); next is { } at && at <= now; next = schedule.After(at), missed++)
        {
            due = at;
            if (missed == MaxMissed && at < now.AddHours(-1))
                due = schedule.After(now.AddHours(-1)) is { } later && later <= now ? later : at;
            if (missed > MaxMissed + 60)
                break;
        }
        return due;
    }

    /// <summary>Starts a Job. False if the concurrency policy forbids it now.</summary>
    private async Task<bool> StartAsync(
        ControlledCronJob cron,
        List<ControlledJob> active,
        DateTimeOffset due,
        CancellationToken cancellationToken
    )
    {
        if (active.Count > 0 && cron.Spec.ConcurrencyPolicy == "Forbid")
        {
            events.Publish(
                cron,
                new ControllerEvent(
                    "Normal",
                    "JobAlreadyActive",
                    "Scheduling",
                    "Not starting job because prior execution is running and concurrency policy is Forbid"
                )
            );
            return false;
        }
        if (cron.Spec.ConcurrencyPolicy == "Replace")
        {
            foreach (var job in active)
                await _writer.DeleteAsync(job, cancellationToken).ConfigureAwait(false);
            active.Clear();
        }

        var template = PodTemplate.Copy(cron.Spec.JobTemplate);
        var metadata = PodTemplate.Object(template, "metadata");
        var name = NameSuffix.Join(cron.Metadata.Name, (due.ToUnixTimeSeconds() / 60).ToString(CultureInfo.InvariantCulture));
        metadata["name"] = name;
        metadata["namespace"] = cron.Metadata.Namespace;
        metadata["ownerReferences"] = new JsonArray(PodTemplate.Owner(cron));
        PodTemplate.Object(metadata, "annotations")[ScheduledAt] = due.UtcDateTime.ToString(
            "yyyy-MM-dd'T'HH:mm:ss'Z'",
            CultureInfo.InvariantCulture
        );
        var created = new JsonObject
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "Job",
            ["metadata"] = metadata.DeepClone(),
            ["spec"] = template["spec"]?.DeepClone(),
        };
        // If the name exists, an earlier interrupted pass created the Job.
        if (await _writer.CreateAsync<ControlledJob>(created, cron.Metadata.Namespace!, cancellationToken).ConfigureAwait(false))
            events.Publish(cron, new ControllerEvent("Normal", "SuccessfulCreate", "Creating", $"Created job {name}"));
        return true;
    }

    private static IEnumerable<ControlledJob> Outlived(IEnumerable<ControlledJob> finished, int kept) =>
        finished
            .OrderByDescending(job => job.Metadata.CreationTimestamp)
            .ThenBy(job => job.Metadata.Name, StringComparer.Ordinal)
            .Skip(kept);
}
