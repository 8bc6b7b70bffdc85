using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Sandbox.Controllers;

/// <summary>
/// The Sandbox's controllers for Deployment, ReplicaSet, Job and CronJob, as clients of the API. In the Sandbox, the API server itself
/// collects garbage and deletes namespaces.
/// </summary>
public sealed class BuiltInControllers : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<IDisposable> _queues = [];
    private Task _running = Task.CompletedTask;

    private BuiltInControllers() { }

    /// <summary>Starts the controllers. Returns when their caches are synced.</summary>
    /// <param name="client">The client, whose clock is used.</param>
    /// <param name="seed">Seed of generated names.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<BuiltInControllers> StartAsync(KubeClient client, int seed, CancellationToken cancellationToken)
    {
        var controllers = new BuiltInControllers();
        try
        {
            await controllers.RunAsync(client, new Random(seed), cancellationToken).ConfigureAwait(false);
            return controllers;
        }
        catch
        {
            await controllers.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        foreach (var queue in _queues)
            queue.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync(KubeClient client, Random random, CancellationToken cancellationToken)
    {
        var log = client.LoggerFactory.CreateLogger<BuiltInControllers>();
        var pods = new Informer<ControlledPod>(client);
        var jobs = new Informer<ControlledJob>(client);
        var crons = new Informer<ControlledCronJob>(client);
        var sets = new Informer<ControlledReplicaSet>(client);
        var deployments = new Informer<ControlledDeployment>(client);

        var jobQueue = Queue(client);
        var cronQueue = Queue(client);
        var setQueue = Queue(client);
        var deploymentQueue = Queue(client);
        var jobEvents = new ControllerEvents(client, "job-controller");
        var cronEvents = new ControllerEvents(client, "cronjob-controller");
        var setEvents = new ControllerEvents(client, "replicaset-controller");
        var deploymentEvents = new ControllerEvents(client, "deployment-controller");
        var jobController = new JobController(client, jobQueue, jobEvents, random);
        var cronController = new CronJobController(client, cronQueue, cronEvents);
        var setController = new ReplicaSetController(client, setQueue, setEvents, random);
        var deploymentController = new DeploymentController(client, deploymentEvents);

        jobs.AddHandler(On<ControlledJob>(jobController.Saw, jobController.Gone));
        pods.AddHandler(On<ControlledPod>(jobController.Saw, jobController.Saw));
        crons.AddHandler(On<ControlledCronJob>(cron => cronQueue.Add(ObjectKey.From(cron)), static _ => { }));
        jobs.AddHandler(ForOwner<ControlledJob>("CronJob", cronQueue));
        sets.AddHandler(On<ControlledReplicaSet>(set => setQueue.Add(ObjectKey.From(set)), set => setQueue.Add(ObjectKey.From(set))));
        pods.AddHandler(ForOwner<ControlledPod>("ReplicaSet", setQueue));
        deployments.AddHandler(On<ControlledDeployment>(d => deploymentQueue.Add(ObjectKey.From(d)), static _ => { }));
        sets.AddHandler(ForOwner<ControlledReplicaSet>("Deployment", deploymentQueue));

        var stop = _stop.Token;
        Task[] tasks =
        [
            // The FailJob rules of a Job must be known before its pods are processed.
            Task.Run(() => jobs.RunAsync(stop), CancellationToken.None),
            Task.Run(() => crons.RunAsync(stop), CancellationToken.None),
            Task.Run(() => sets.RunAsync(stop), CancellationToken.None),
            Task.Run(() => deployments.RunAsync(stop), CancellationToken.None),
            Task.Run(() => jobEvents.RunAsync(stop), CancellationToken.None),
            Task.Run(() => cronEvents.RunAsync(stop), CancellationToken.None),
            Task.Run(() => setEvents.RunAsync(stop), CancellationToken.None),
            Task.Run(() => deploymentEvents.RunAsync(stop), CancellationToken.None),
        ];
        _running = Task.WhenAll(tasks);
        await jobs.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
        await crons.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
        await sets.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
        await deployments.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
        _running = Task.WhenAll([
            .. tasks,
            Task.Run(() => pods.RunAsync(stop), CancellationToken.None),
            Task.Run(
                () => new QueueWorker<ObjectKey>("job-controller", jobQueue, jobController.ReconcileAsync, log).RunAsync(stop),
                CancellationToken.None
            ),
            Task.Run(
                () => new QueueWorker<ObjectKey>("cronjob-controller", cronQueue, cronController.ReconcileAsync, log).RunAsync(stop),
                CancellationToken.None
            ),
            Task.Run(
                () => new QueueWorker<ObjectKey>("replicaset-controller", setQueue, setController.ReconcileAsync, log).RunAsync(stop),
                CancellationToken.None
            ),
            Task.Run(
                () =>
                    new QueueWorker<ObjectKey>("deployment-controller", deploymentQueue, deploymentController.ReconcileAsync, log).RunAsync(
                        stop
                    ),
                CancellationToken.None
            ),
        ]);
        await pods.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
    }

    private WorkQueue<ObjectKey> Queue(KubeClient client)
    {
        var queue = new WorkQueue<ObjectKey>(client.TimeProvider);
        _queues.Add(queue);
        return queue;
    }

    private static InformerHandler<T> On<T>(Action<T> seen, Action<T> gone) =>
        new()
        {
            Added = seen,
            Updated = (_, now) => seen(now),
            Deleted = gone,
        };

    private static InformerHandler<T> ForOwner<T>(string kind, WorkQueue<ObjectKey> queue)
        where T : IKubernetesObject
    {
        void Add(T obj)
        {
            if (ControllerKeys.OwnerOf(obj, kind) is { } key)
                queue.Add(key);
        }

        return On<T>(Add, Add);
    }
}
