using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Leases;

/// <summary>
/// Options of a leader election. The lease duration must exceed the renew deadline, or two replicas could lead. The renew deadline must
/// exceed 1.2 retry periods, or the leader could not renew in time.
/// </summary>
public sealed record LeaderElectorOptions
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>Identifies this process; unique among the replicas.</summary>
    public required string Identity { get; init; }

    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Spreads the attempts of the waiting replicas. Locked while used.</summary>
    public Random Random { get; init; } = new(20261121);
}

/// <summary>
/// Elects one leader by a Lease. The lease of another replica expires by the time since its last change was observed here, never by the
/// clock of that replica. The lease alone cannot stop a late write. So writes check <see cref="MayWrite"/>, which becomes false before
/// another replica can lead.
/// </summary>
public sealed partial class LeaderElector
{
    private readonly FailureLog _failureLog;
    private readonly KubeClient _client;
    private readonly LeaderElectorOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private V1Lease? _observed;
    private long _observedAt;
    private Renewal? _renewal;

    public LeaderElector(KubeClient client, LeaderElectorOptions options)
    {
        if (options.LeaseDuration <= options.RenewDeadline || options.RenewDeadline <= options.RetryPeriod * 1.2)
            throw new ArgumentException(
                "Lease duration must exceed the renew deadline, and that 1.2 times the retry period.",
                nameof(options)
            );
        _client = client;
        _failureLog = new FailureLog(client);
        _options = options;
        _time = client.TimeProvider;
        _log = client.LoggerFactory.CreateLogger<LeaderElector>();
    }

    /// <summary>The identity of the leader, as last observed; null if no leader is known.</summary>
    public string? Leader => Volatile.Read(ref _observed)?.Spec.HolderIdentity is { Length: > 0 } holder ? holder : null;

    /// <summary>True while this process holds the lease and has renewed it within the renew deadline. Use it as the write fence.</summary>
    public bool MayWrite => Volatile.Read(ref _renewal) is { } renewal && Age(renewal) <= _options.RenewDeadline;

    /// <summary>
    /// Waits for leadership, then runs <paramref name="lead"/>. Returns when that has returned or the token is cancelled. It then releases
    /// the lease, so that another replica need not wait for it to expire. On lost leadership, the token of <paramref name="lead"/> is
    /// cancelled and its end awaited.
    /// </summary>
    /// <exception cref="LeadershipLostException">Leadership was lost. The caller ends the process or tries again.</exception>
    public Task RunAsLeaderAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken) =>
        TaskGroup.RunAsync(_time, $"election of {_options.Identity}", () => AcquireAndLeadAsync(lead, cancellationToken));

    private async Task AcquireAndLeadAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        try
        {
            await AcquireAsync(cancellationToken).ConfigureAwait(false);
            LogLeading(_options.Identity);
            using CancellationTokenSource leading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            using CancellationTokenSource renewing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // Launch it on the thread pool, because it may run long before its first await and the renewals must not wait.
            Task work = TaskGroup.Launch(_time, "leading", () => lead(leading.Token));
            Task<bool> renewals = RenewAsync(renewing.Token);
            await Task.WhenAny(work, renewals).ConfigureAwait(false);
            bool lost = renewals.IsCompletedSuccessfully && !renewals.Result;
            if (lost)
                Volatile.Write(ref _renewal, null);
            await leading.CancelAsync().ConfigureAwait(false);
            try
            {
                // Its last requests may take time, because the server is slow or throttles them.
                await TaskGroup.WaitAsync(_time, "the leader's end", () => work).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (leading.IsCancellationRequested)
            {
                // Cancellation ends the work normally.
            }
            finally
            {
                await renewing.CancelAsync().ConfigureAwait(false);
                await renewals.ConfigureAwait(false);
                if (!lost)
                    await ReleaseAsync().ConfigureAwait(false);
                Volatile.Write(ref _renewal, null);
            }

            if (lost)
            {
                LogLost(_options.Identity);
                throw new LeadershipLostException(
                    $"{_options.Identity} could not renew the lease {_options.Namespace}/{_options.Name} within {_options.RenewDeadline.TotalSeconds:0} s."
                );
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Cancelled while it waited for leadership.
        }
        finally
        {
            Volatile.Write(ref _renewal, null);
        }
    }

    private async Task AcquireAsync(CancellationToken cancellationToken)
    {
        while (!await TryAsync(cancellationToken).ConfigureAwait(false))
        {
            double spread;
            lock (_options.Random)
                spread = 1 + (_options.Random.NextDouble() * 0.2);
            await PeriodicLoop.PauseAsync(_time, _options.RetryPeriod * spread, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Renews the lease. Returns true when cancelled. Returns false when the deadline passes without a renewal or another replica holds the
    /// lease.
    /// </summary>
    private async Task<bool> RenewAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await PeriodicLoop.PauseAsync(_time, _options.RetryPeriod, cancellationToken).ConfigureAwait(false);
                Renewal? last = Volatile.Read(ref _renewal);
                TimeSpan left = last is null ? TimeSpan.Zero : _options.RenewDeadline - Age(last);
                if (left <= TimeSpan.Zero)
                    return false;
                using CancellationTokenSource deadline = new(left, _time);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
                try
                {
                    if (!await TryAsync(either.Token).ConfigureAwait(false) && IsHeldByAnother())
                        return false;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    return false;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return true;
        }
    }

    private bool IsHeldByAnother() =>
        Volatile.Read(ref _observed)?.Spec.HolderIdentity is { Length: > 0 } holder && holder != _options.Identity;

    /// <summary>Tries once to acquire or renew the lease. An error of the API server counts as a failed attempt.</summary>
    private async Task<bool> TryAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await TryOnceAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
            when (failure is ApiException or HttpRequestException or IOException or TimeoutException or System.Text.Json.JsonException)
        {
            if (_failureLog.IsNews(failure))
                LogTryFailed(_options.Identity, failure.Message);
            return false;
        }
    }

    private async Task<bool> TryOnceAsync(CancellationToken cancellationToken)
    {
        try
        {
            // The leader renews with one request, on top of its own last write. After a conflict it reads the lease.
            V1Lease? lease = Volatile.Read(ref _renewal) is null ? null : Volatile.Read(ref _observed);
            if (lease is null || lease.Spec.HolderIdentity != _options.Identity)
            {
                lease = await _client.GetOrNullAsync<V1Lease>(_options.Name, _options.Namespace, cancellationToken).ConfigureAwait(false);
                if (lease is null)
                    return await CreateAsync(cancellationToken).ConfigureAwait(false);
                Observe(lease);
            }

            bool mine = lease.Spec.HolderIdentity == _options.Identity;
            if (!mine && lease.Spec.HolderIdentity is { Length: > 0 } && !HasExpired(lease))
                return false;
            return await AcquireOrRenewAsync(lease, mine, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException conflict) when (conflict.IsConflict)
        {
            if (
                await _client.GetOrNullAsync<V1Lease>(_options.Name, _options.Namespace, cancellationToken).ConfigureAwait(false) is
                { } newer
            )
                Observe(newer);
            return false;
        }
    }

    private async Task<bool> CreateAsync(CancellationToken cancellationToken)
    {
        Renewal renewal = Now();
        V1Lease created = await _client
            .CreateAsync(
                new V1Lease
                {
                    Metadata = new V1ObjectMeta { Name = _options.Name, Namespace = _options.Namespace },
                    Spec = new V1LeaseSpec
                    {
                        HolderIdentity = _options.Identity,
                        LeaseDurationSeconds = Seconds,
                        AcquireTime = renewal.Wall,
                        RenewTime = renewal.Wall,
                        LeaseTransitions = 0,
                    },
                },
                cancellationToken
            )
            .ConfigureAwait(false);
        RecordRenewal(created, renewal);
        return true;
    }

    /// <summary>Acquires or renews the lease, on condition of its resource version, so that one of two replicas gets a conflict.</summary>
    private async Task<bool> AcquireOrRenewAsync(V1Lease lease, bool mine, CancellationToken cancellationToken)
    {
        // Take the time before the request. The server applies it later, so the lease never seems to last longer than it does.
        Renewal renewal = Now();
        JsonObject spec = new()
        {
            ["holderIdentity"] = _options.Identity,
            ["leaseDurationSeconds"] = Seconds,
            ["renewTime"] = Micro(renewal.Wall),
        };
        if (!mine)
        {
            spec["acquireTime"] = Micro(renewal.Wall);
            spec["leaseTransitions"] = (lease.Spec.LeaseTransitions ?? 0) + 1;
        }

        V1Lease updated = await PatchAsync(lease, spec, cancellationToken).ConfigureAwait(false);
        RecordRenewal(updated, renewal);
        return true;
    }

    private async Task ReleaseAsync()
    {
        V1Lease? lease = Volatile.Read(ref _observed);
        if (lease is null || lease.Spec.HolderIdentity != _options.Identity)
            return;
        Volatile.Write(ref _renewal, null);
        try
        {
            using CancellationTokenSource limit = new(TimeSpan.FromSeconds(5), _time);
            try
            {
                await ReleaseLeaseAsync(lease, limit.Token).ConfigureAwait(false);
            }
            catch (ApiException conflict) when (conflict.IsConflict)
            {
                // Either a renewal of this process reached the server after its cancellation, or another replica holds the lease and there
                // is nothing to release.
                lease = await _client.GetAsync<V1Lease>(_options.Name, _options.Namespace, limit.Token).ConfigureAwait(false);
                if (lease.Spec.HolderIdentity == _options.Identity)
                    await ReleaseLeaseAsync(lease, limit.Token).ConfigureAwait(false);
            }
        }
        catch (Exception failure)
            when (failure is ApiException or HttpRequestException or IOException or TimeoutException or OperationCanceledException)
        {
            // The lease then expires by itself.
            LogReleaseFailed(_options.Identity, failure.Message);
        }
    }

    private async Task ReleaseLeaseAsync(V1Lease lease, CancellationToken cancellationToken)
    {
        JsonObject spec = new()
        {
            ["holderIdentity"] = "",
            ["leaseDurationSeconds"] = 1,
            ["renewTime"] = Micro(_time.GetUtcNow()),
        };
        Volatile.Write(ref _observed, await PatchAsync(lease, spec, cancellationToken).ConfigureAwait(false));
    }

    private Task<V1Lease> PatchAsync(V1Lease lease, JsonObject spec, CancellationToken cancellationToken) =>
        _client.PatchAsync<V1Lease>(
            _options.Name,
            _options.Namespace,
            KubePatch.Merge(
                new JsonObject
                {
                    ["metadata"] = new JsonObject { ["resourceVersion"] = lease.Metadata.ResourceVersion },
                    ["spec"] = spec,
                }
            ),
            cancellationToken
        );

    /// <summary>Returns whether the lease has not changed for its own duration, as observed here.</summary>
    private bool HasExpired(V1Lease lease) =>
        _time.GetElapsedTime(_observedAt) >= TimeSpan.FromSeconds(lease.Spec.LeaseDurationSeconds ?? Seconds);

    private void Observe(V1Lease lease)
    {
        V1Lease? former = Volatile.Read(ref _observed);
        if (
            former is not null
            && former.Metadata.ResourceVersion == lease.Metadata.ResourceVersion
            && former.Metadata.Uid == lease.Metadata.Uid
        )
            return;
        _observedAt = _time.GetTimestamp();
        Volatile.Write(ref _observed, lease);
        if (lease.Spec.HolderIdentity != _options.Identity)
            Volatile.Write(ref _renewal, null);
    }

    private void RecordRenewal(V1Lease lease, Renewal renewal)
    {
        _failureLog.Succeeded();
        _observedAt = renewal.Timestamp;
        Volatile.Write(ref _observed, lease);
        Volatile.Write(ref _renewal, renewal);
    }

    private Renewal Now() => new(_time.GetTimestamp(), _time.GetUtcNow());

    /// <summary>
    /// Returns the greater age by two clocks. The monotonic clock may stop while the machine sleeps, and the wall clock may be set back. If
    /// the wall clock is set forward, leadership is lost for a moment, which is harmless.
    /// </summary>
    private TimeSpan Age(Renewal renewal)
    {
        TimeSpan monotonic = _time.GetElapsedTime(renewal.Timestamp);
        TimeSpan wall = _time.GetUtcNow() - renewal.Wall;
        return monotonic > wall ? monotonic : wall;
    }

    private int Seconds => (int)Math.Ceiling(_options.LeaseDuration.TotalSeconds);

    private static string Micro(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", System.Globalization.CultureInfo.InvariantCulture);

    [LoggerMessage(Level = LogLevel.Information, Message = "Became the leader: Identity={Identity}")]
    private partial void LogLeading(string identity);

    [LoggerMessage(Level = LogLevel.Error, Message = "Lost the leadership: Identity={Identity}")]
    private partial void LogLost(string identity);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not acquire or renew the lease: Identity={Identity} Reason={Reason}")]
    private partial void LogTryFailed(string identity, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not release the lease: Identity={Identity} Reason={Reason}")]
    private partial void LogReleaseFailed(string identity, string reason);

    private sealed record Renewal(long Timestamp, DateTimeOffset Wall);
}
