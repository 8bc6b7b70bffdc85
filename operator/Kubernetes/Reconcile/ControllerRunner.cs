using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Reconcile;

public sealed record ControllerRunnerOptions<T>
    where T : class, IKubernetesEntity<T>
{
    /// <summary>Objects reconciled at the same time; one object never by two workers.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>False for changes that need no reconciliation, such as the echo of our own status.</summary>
    public Func<T, T, bool>? Concerns { get; init; }

    public BackoffOptions Backoff { get; init; } = new();

    /// <summary>Waited for beside the informer's own sync: no decision before everything it reads is there.</summary>
    public Func<CancellationToken, Task>? Ready { get; init; }
}

/// <summary>Joins an informer, a queue and workers: informer → queue → worker → controller.</summary>
public sealed partial class ControllerRunner<T> : IDisposable
    where T : class, IKubernetesEntity<T>
{
    private readonly KubeClient _client;
    private readonly Informer<T> _informer;
    private readonly IEntityController<T> _controller;
    private readonly ControllerRunnerOptions<T> _options;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly Dictionary<ObjectKey, List<T>> _deleted = [];

    public ControllerRunner(
        KubeClient client,
        Informer<T> informer,
        IEntityController<T> controller,
        ControllerRunnerOptions<T>? options = null
    )
    {
        _informer = informer;
        _controller = controller;
        _options = options ?? new ControllerRunnerOptions<T>();
        _client = client;
        _log = client.LoggerFactory.CreateLogger<ControllerRunner<T>>();
        Queue = new WorkQueue<ObjectKey>(client.TimeProvider, _options.Backoff, name: T.EntityKind.Plural) { HasWorkers = false };
        informer.AddHandler(
            new InformerHandler<T>
            {
                Added = obj => Queue.Add(ObjectKey.From(obj)),
                Updated = (former, obj) =>
                {
                    if (_options.Concerns is null || _options.Concerns(former, obj))
                        Queue.Add(ObjectKey.From(obj));
                },
                Deleted = obj =>
                {
                    ObjectKey key = ObjectKey.From(obj);
                    lock (_lock)
                    {
                        if (!_deleted.TryGetValue(key, out List<T>? gone))
                            _deleted[key] = gone = [];
                        gone.Add(obj);
                    }

                    Queue.Add(key);
                },
            }
        );
    }

    /// <summary>For other sources of reasons to look, and for metrics.</summary>
    public WorkQueue<ObjectKey> Queue { get; }

    public void Enqueue(ObjectKey key) => Queue.Add(key);

    /// <summary>
    /// Runs until cancelled, or until the controller finds that another process leads. Keys gathered before are kept: a new leader starts
    /// with every object.
    /// </summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _informer.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
            if (_options.Ready is { } ready)
                await ready(cancellationToken).ConfigureAwait(false);
            Queue.HasWorkers = true;
            using CancellationTokenSource all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task[] running = [.. Enumerable.Range(0, _options.Workers).Select(_ => Queue.RunAsync(ProcessAsync, all.Token))];
            Task first = await Task.WhenAny(running).ConfigureAwait(false);
            if (first.IsFaulted)
                await all.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(running).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The way it ends.
        }
        finally
        {
            Queue.HasWorkers = false;
        }
    }

    public void Dispose() => Queue.Dispose();

    private async Task ProcessAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        T? gone = NextDeleted(key);
        T? entity = gone is null ? _informer.Store.Get(key) : null;
        if (gone is null && entity is null)
        {
            Queue.Forget(key);
            return;
        }

        try
        {
            ReconciliationResult<T> result = gone is not null
                ? await _controller.DeletedAsync(gone, cancellationToken).ConfigureAwait(false)
                : await _controller.ReconcileAsync(entity!, cancellationToken).ConfigureAwait(false);
            if (result.IsSuccess)
            {
                Queue.Forget(key);
                if (gone is not null)
                    Forget(key);
                if (gone is null && result.RequeueAfter is { } after)
                    Queue.AddAfter(key, after);
                return;
            }

            Report(key, result.Error, result.Message ?? "");
            if (result.RequeueAfter is { } delay)
                Queue.AddAfter(key, delay);
            else
                Queue.AddRateLimited(key);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Not processed: the next run of this runner finds the key waiting.
            Queue.Add(key);
            throw;
        }
        catch (LeadershipLostException)
        {
            // No try of this process's will go better.
            Queue.Add(key);
            throw;
        }
        catch (Exception failure)
        {
            Report(key, failure, failure.Message);
            Queue.AddRateLimited(key);
        }
    }

    /// <summary>
    /// Logs the first failure of an object and then each time their number has doubled. An outage of the API server is the client's to log.
    /// </summary>
    private void Report(ObjectKey key, Exception? failure, string reason)
    {
        int failures = Queue.Failures(key) + 1;
        if (_client.IsUnreachable || !System.Numerics.BitOperations.IsPow2(failures))
            return;
        // A refusal says in its message what is wrong; where it came from in this program does not help.
        LogFailed(
            failure is ApiException or HttpRequestException or TimeoutException ? null : failure,
            T.EntityKind.Kind,
            key.Namespace,
            key.Name,
            failures,
            reason
        );
    }

    private T? NextDeleted(ObjectKey key)
    {
        lock (_lock)
            return _deleted.TryGetValue(key, out List<T>? gone) ? gone[0] : null;
    }

    /// <summary>The deletion has been dealt with; whatever else waits under the key (a namesake made since) is next.</summary>
    private void Forget(ObjectKey key)
    {
        lock (_lock)
        {
            if (!_deleted.TryGetValue(key, out List<T>? all))
                return;
            all.RemoveAt(0);
            if (all.Count == 0)
                _deleted.Remove(key);
        }

        Queue.Add(key);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Reconciling {Kind} {Namespace}/{Name} failed {Failures} times in a row: {Reason}")]
    private partial void LogFailed(Exception? error, string kind, string @namespace, string name, int failures, string reason);
}
