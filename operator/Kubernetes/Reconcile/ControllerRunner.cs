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
    /// <summary>Objects that are reconciled concurrently. Two workers never reconcile one object at the same time.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Returns false for an update that needs no reconciliation, such as the controller's own. Null: all updates do.</summary>
    public Func<T, T, bool>? Concerns { get; init; }

    public BackoffOptions Backoff { get; init; } = new();

    /// <summary>Awaited after the informer has synced, so that everything that the controller reads is there.</summary>
    public Func<CancellationToken, Task>? Ready { get; init; }
}

/// <summary>Reconciles the objects of an informer. Their changes go to a queue, from which workers call the controller.</summary>
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
                        if (!_deleted.TryGetValue(key, out List<T>? deleted))
                            _deleted[key] = deleted = [];
                        deleted.Add(obj);
                    }

                    Queue.Add(key);
                },
            }
        );
    }

    /// <summary>The queue of keys to reconcile. Other sources of changes may add keys.</summary>
    public WorkQueue<ObjectKey> Queue { get; }

    /// <param name="key">The object to reconcile.</param>
    /// <param name="after">How long changes are gathered first; zero reconciles at once.</param>
    public void Enqueue(ObjectKey key, TimeSpan after = default) => Queue.AddAfter(key, after);

    /// <summary>Reconciles until cancelled. Keys that were queued before are kept, so a new leader begins with every object.</summary>
    /// <exception cref="LeadershipLostException">A write found that this process no longer leads.</exception>
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
            // Cancellation ends the run normally.
        }
        finally
        {
            Queue.HasWorkers = false;
        }
    }

    public void Dispose() => Queue.Dispose();

    private async Task ProcessAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        T? deleted = NextDeleted(key);
        T? entity = deleted is null ? _informer.Store.Get(key) : null;
        if (deleted is null && entity is null)
        {
            Queue.Forget(key);
            return;
        }

        try
        {
            ReconciliationResult<T> result = deleted is not null
                ? await _controller.DeletedAsync(deleted, cancellationToken).ConfigureAwait(false)
                : await _controller.ReconcileAsync(entity!, cancellationToken).ConfigureAwait(false);
            if (result.IsSuccess)
            {
                Queue.Forget(key);
                if (deleted is not null)
                    RemoveDeleted(key);
                if (deleted is null && result.RequeueAfter is { } after)
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
            // The key was not processed, so it waits for the next run.
            Queue.Add(key);
            throw;
        }
        catch (LeadershipLostException)
        {
            // This process may no longer write, so a retry here is useless.
            Queue.Add(key);
            throw;
        }
        catch (Exception failure)
        {
            Report(key, failure, failure.Message);
            Queue.AddRateLimited(key);
        }
    }

    /// <summary>Logs an object's first failure, and then each doubling of their number. The client logs outages of the server.</summary>
    private void Report(ObjectKey key, Exception? failure, string reason)
    {
        int failures = Queue.Failures(key) + 1;
        if (_client.IsUnreachable || !System.Numerics.BitOperations.IsPow2(failures))
            return;
        // The message of an API error says what is wrong, and a stack trace would not help.
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
            return _deleted.TryGetValue(key, out List<T>? deleted) ? deleted[0] : null;
    }

    /// <summary>Removes a processed deletion and queues the key again, because another deletion or a new object may wait.</summary>
    private void RemoveDeleted(ObjectKey key)
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
