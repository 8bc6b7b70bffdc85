using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Leases;

/// <summary>Lease duration &gt; renew deadline &gt; 1.2 × retry period, else two may lead or none can stay.</summary>
public sealed record LeaderElectorOptions
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>Who this process is; unique among the replicas.</summary>
    public required string Identity { get; init; }

    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Spreads the tries of the waiting replicas.</summary>
    public Random Random { get; init; } = new(20261121);
}

/// <summary>
/// Elects one leader by a Lease. Whether another's lease has run out is judged by when its last change was seen here, never by the
/// other's clock. The lease is no fence by itself, so writes ask <see cref="MayWrite"/>, which turns false before anybody else can lead.
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

    /// <summary>Who leads, as last seen; null when nobody is known to.</summary>
    public string? Leader => Volatile.Read(ref _observed)?.Spec.HolderIdentity is { Length: > 0 } holder ? holder : null;

    /// <summary>
    /// Whether this process holds the lease and renewed it within the renew deadline. Give it to the client as its write fence.
    /// </summary>
    public bool MayWrite => Volatile.Read(ref _renewal) is { } renewal && Age(renewal) <= _options.RenewDeadline;

    /// <summary>
    /// Waits for leadership, then leads. Returns when <paramref name="lead"/> has returned or all was cancelled; the lease is given
    /// back so that another need not wait for it. When leadership is lost, the token of <paramref name="lead"/> is cancelled, its
    /// end awaited, and <see cref="LeadershipLostException"/> thrown: the caller ends the process or tries again.
    /// </summary>
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
            // Beside the renewals, even if it never yields.
            Task work = TaskGroup.Launch(_time, "leading", () => lead(leading.Token));
            Task<bool> renewals = RenewAsync(renewing.Token);
            await Task.WhenAny(work, renewals).ConfigureAwait(false);
            bool lost = renewals.IsCompletedSuccessfully && !renewals.Result;
            if (lost)
                Volatile.Write(ref _renewal, null);
            await leading.CancelAsync().ConfigureAwait(false);
            try
            {
                // Its last requests may have to wait, for an answer or for a server that throttles them.
                await TaskGroup.WaitAsync(_time, "the leader's end", () => work).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (leading.IsCancellationRequested)
            {
                // Told to stop, and stopped.
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
            // Cancelled before it led.
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

    /// <summary>Renews until cancelled (true) or until the deadline passed without success (false).</summary>
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
                    if (!await TryAsync(either.Token).ConfigureAwait(false) && HeldByAnother())
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

    private bool HeldByAnother() =>
        Volatile.Read(ref _observed)?.Spec.HolderIdentity is { Length: > 0 } holder && holder != _options.Identity;

    /// <summary>One try to take or renew the lease. Whatever goes wrong with it is no more than a failed try.</summary>
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
            // Our own last write is the newest state as far as we know: one request renews. A conflict sends us to read.
            V1Lease? lease = Volatile.Read(ref _renewal) is null ? null : Volatile.Read(ref _observed);
            if (lease is null || lease.Spec.HolderIdentity != _options.Identity)
            {
                lease = await _client.GetOrNullAsync<V1Lease>(_options.Name, _options.Namespace, cancellationToken).ConfigureAwait(false);
                if (lease is null)
                    return await CreateAsync(cancellationToken).ConfigureAwait(false);
                Observe(lease);
            }

            bool mine = lease.Spec.HolderIdentity == _options.Identity;
            if (!mine && lease.Spec.HolderIdentity is { Length: > 0 } && !HasRunOut(lease))
                return false;
            return await TakeAsync(lease, mine, cancellationToken).ConfigureAwait(false);
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
        V1Lease made = await _client
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
        Hold(made, renewal);
        return true;
    }

    /// <summary>Takes or renews by a merge patch that carries the resource version, so that of two takers one gets a conflict.</summary>
    private async Task<bool> TakeAsync(V1Lease lease, bool mine, CancellationToken cancellationToken)
    {
        // Counted from before the request: when it counts at the server, that is later, never earlier.
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

        V1Lease taken = await PatchAsync(lease, spec, cancellationToken).ConfigureAwait(false);
        Hold(taken, renewal);
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
                // Our own renewal, whose answer was not awaited any more; or another holds it, and there is nothing to give back.
                lease = await _client.GetAsync<V1Lease>(_options.Name, _options.Namespace, limit.Token).ConfigureAwait(false);
                if (lease.Spec.HolderIdentity == _options.Identity)
                    await ReleaseLeaseAsync(lease, limit.Token).ConfigureAwait(false);
            }
        }
        catch (Exception failure)
            when (failure is ApiException or HttpRequestException or IOException or TimeoutException or OperationCanceledException)
        {
            // Then it runs out by itself.
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

    /// <summary>Whether a lease has not changed here for as long as it says it holds.</summary>
    private bool HasRunOut(V1Lease lease) =>
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

    private void Hold(V1Lease lease, Renewal renewal)
    {
        _failureLog.Succeeded();
        _observedAt = renewal.Timestamp;
        Volatile.Write(ref _observed, lease);
        Volatile.Write(ref _renewal, renewal);
    }

    private Renewal Now() => new(_time.GetTimestamp(), _time.GetUtcNow());

    /// <summary>
    /// The greater of both clocks: the monotonic one stands still while a machine sleeps, the wall clock may be set back. A wall clock
    /// set forward costs the leadership for a moment, which is the harmless side.
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

    [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} leads")]
    private partial void LogLeading(string identity);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Identity} lost the leadership")]
    private partial void LogLost(string identity);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Identity} could not take or renew the lease: {Reason}")]
    private partial void LogTryFailed(string identity, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Identity} could not give the lease back: {Reason}")]
    private partial void LogReleaseFailed(string identity, string reason);

    private sealed record Renewal(long Timestamp, DateTimeOffset Wall);
}
