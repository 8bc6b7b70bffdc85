using Bursar.Core.Scaling;

namespace Bursar.Sandbox.Nodes;

/// <summary>A request to the simulated servers.</summary>
public readonly record struct ServedRequest(DateTimeOffset At, int PromptTokens, int OutputTokens);

/// <summary>The times of an answered request and its server.</summary>
public readonly record struct ServedOutcome(DateTimeOffset Arrived, DateTimeOffset FirstToken, DateTimeOffset Ended, string Server);

/// <summary>Capacity and speed of a server.</summary>
public sealed record ServiceModel
{
    /// <summary>Requests that a server processes at the same time.</summary>
    public int Slots { get; init; } = 32;

    /// <summary>Requests in the queue of a server. Others wait in a common queue for the first server with capacity.</summary>
    public int MaxWaiting { get; init; } = int.MaxValue;

    public double PrefillTokensPerSecond { get; init; } = 8000;

    public TimeSpan BetweenTokens { get; init; } = TimeSpan.FromMilliseconds(30);
}

/// <summary>The load of a server at one time.</summary>
public sealed record ServerLoad
{
    public int Running { get; init; }

    public int Waiting { get; init; }

    public long PromptTokens { get; init; }

    public long GeneratedTokens { get; init; }

    public long Requests { get; init; }

    /// <summary>Total seconds of all first tokens, of all tokens after them, and of all requests.</summary>
    public (double FirstToken, double BetweenTokens, double EndToEnd) Sums { get; init; }

    public required LatencyHistogram FirstToken { get; init; }

    public required LatencyHistogram BetweenTokens { get; init; }

    public required LatencyHistogram EndToEnd { get; init; }

    /// <summary>The share of slots in use, 0 to 1.</summary>
    public double Use { get; init; }

    /// <summary>The utilization of its devices, 0 to 1.</summary>
    public double Busy { get; init; }

    /// <summary>Busy time of its devices so far.</summary>
    public TimeSpan Worked { get; init; }
}

/// <summary>
/// Simulates requests to a changing set of servers. Each request goes to the least loaded server, waits for a slot, is read (prefill), and
/// answered token by token. The unfinished requests of a server that leaves restart on another one. The state is computed on demand up to
/// the given time, so it needs no clock and does not depend on how often it is read. Safe for concurrent use.
/// </summary>
public sealed class ServedLoad
{
    // vLLM's own buckets.
    private static readonly double[] FirstTokenBounds =
    [
        0.001,
        0.005,
        0.01,
        0.02,
        0.04,
        0.06,
        0.08,
        0.1,
        0.25,
        0.5,
        0.75,
        1,
        2.5,
        5,
        7.5,
        10,
        20,
        40,
        80,
        160,
        640,
        2560,
    ];
    private static readonly double[] BetweenTokensBounds =
    [
        0.01,
        0.025,
        0.05,
        0.075,
        0.1,
        0.15,
        0.2,
        0.3,
        0.4,
        0.5,
        0.75,
        1,
        2.5,
        5,
        7.5,
        10,
        20,
        40,
        80,
    ];
    private static readonly double[] EndToEndBounds =
    [
        0.3,
        0.5,
        0.8,
        1,
        1.5,
        2,
        2.5,
        5,
        10,
        15,
        20,
        30,
        40,
        50,
        60,
        120,
        240,
        480,
        960,
        1920,
        7680,
    ];

    private readonly Lock _gate = new();
    private readonly ServiceModel _model;
    private readonly SortedDictionary<string, Server> _servers = new(StringComparer.Ordinal);
    private readonly LinkedList<Request> _waiting = [];
    private readonly PriorityQueue<(Request Request, int Attempt, bool Ends), (DateTimeOffset At, long Order)> _events = new();
    private readonly PriorityQueue<ServedRequest, (DateTimeOffset At, long Order)> _arrivals = new();
    private readonly List<ServedOutcome> _outcomes = [];
    private DateTimeOffset _now = DateTimeOffset.MinValue;
    private long _order;
    private long _arrived;

    public ServedLoad(ServiceModel model, IEnumerable<ServedRequest>? arrivals = null)
    {
        _model = model;
        foreach (var request in arrivals ?? [])
            Offer(request);
    }

    /// <summary>Adds a request. A request in the past arrives at the next time that is evaluated.</summary>
    public void Offer(ServedRequest request)
    {
        lock (_gate)
            _arrivals.Enqueue(request, (request.At, _order++));
    }

    /// <summary>Adds a server that is ready. Does nothing if it is known.</summary>
    public void Join(string name, DateTimeOffset at)
    {
        lock (_gate)
        {
            Advance_NeedsLock(at);
            if (_servers.ContainsKey(name))
                return;
            _servers.Add(name, new(name));
            Dispatch_NeedsLock();
        }
    }

    /// <summary>Stops sending requests to a server, because it terminates.</summary>
    public void Drain(string name, DateTimeOffset at)
    {
        lock (_gate)
        {
            Advance_NeedsLock(at);
            if (_servers.TryGetValue(name, out var server))
                server.Drains = true;
        }
    }

    /// <summary>Removes a server that has ended.</summary>
    public void Leave(string name, DateTimeOffset at)
    {
        lock (_gate)
        {
            Advance_NeedsLock(at);
            if (!_servers.Remove(name, out var server))
                return;
            foreach (var request in server.Running.Concat(server.Waiting).OrderByDescending(request => request.Spec.At).ToArray())
            {
                request.Attempt++;
                request.On = null;
                _waiting.AddFirst(request);
            }
            Dispatch_NeedsLock();
        }
    }

    /// <summary>Returns the load of a server; null if it is unknown.</summary>
    public ServerLoad? Get(string name, DateTimeOffset now)
    {
        lock (_gate)
        {
            Advance_NeedsLock(now);
            return _servers.TryGetValue(name, out var server) ? server.Show(_now, _model) : null;
        }
    }

    /// <summary>Returns the number of requests in the common queue, as a gateway would count them.</summary>
    public int WaitingBefore(DateTimeOffset now)
    {
        lock (_gate)
        {
            Advance_NeedsLock(now);
            return _waiting.Count;
        }
    }

    /// <summary>Returns the number of requests that arrived by <paramref name="now"/>.</summary>
    public long ArrivedBy(DateTimeOffset now)
    {
        lock (_gate)
        {
            Advance_NeedsLock(now);
            return _arrived;
        }
    }

    /// <summary>Returns the requests that ended by <paramref name="now"/>, in the order of their ends.</summary>
    public IReadOnlyList<ServedOutcome> EndedBy(DateTimeOffset now)
    {
        lock (_gate)
        {
            Advance_NeedsLock(now);
            return [.. _outcomes];
        }
    }

    private void Advance_NeedsLock(DateTimeOffset now)
    {
        while (true)
        {
            var arrival = _arrivals.TryPeek(out _, out var arrives) ? arrives.At : DateTimeOffset.MaxValue;
            var change = _events.TryPeek(out _, out var changes) ? changes.At : DateTimeOffset.MaxValue;
            if ((arrival < change ? arrival : change) is var next && (next > now || next == DateTimeOffset.MaxValue))
                break;
            if (next > _now)
                _now = next;
            if (change <= arrival)
                Change_NeedsLock();
            else
            {
                _waiting.AddLast(new Request(_arrivals.Dequeue()));
                _arrived++;
                Dispatch_NeedsLock();
            }
        }
        if (now > _now)
            _now = now;
    }

    private void Change_NeedsLock()
    {
        var (request, attempt, ends) = _events.Dequeue();
        if (request.Attempt != attempt || request.On is not { } server)
            return;
        server.Tick(_now, _model);
        if (!ends)
        {
            server.PromptTokens += request.Spec.PromptTokens;
            server.FirstToken.Observe((_now - request.Spec.At).TotalSeconds, 1);
            return;
        }
        server.Running.Remove(request);
        server.GeneratedTokens += request.Spec.OutputTokens;
        server.Requests++;
        if (request.Spec.OutputTokens > 1)
            server.BetweenTokens.Observe(_model.BetweenTokens.TotalSeconds, request.Spec.OutputTokens - 1);
        server.EndToEnd.Observe((_now - request.Spec.At).TotalSeconds, 1);
        _outcomes.Add(new(request.Spec.At, request.First, _now, server.Name));
        if (server.Waiting.First is { } waiting)
        {
            server.Waiting.RemoveFirst();
            Start_NeedsLock(server, waiting.Value);
        }
        Dispatch_NeedsLock();
    }

    private void Dispatch_NeedsLock()
    {
        while (_waiting.First is { } first)
        {
            var server = _servers
                .Values.Where(server => !server.Drains && (server.Running.Count < _model.Slots || server.Waiting.Count < _model.MaxWaiting))
                .MinBy(server => server.Running.Count + server.Waiting.Count);
            if (server is null)
                return;
            _waiting.RemoveFirst();
            first.Value.On = server;
            if (server.Running.Count < _model.Slots)
                Start_NeedsLock(server, first.Value);
            else
                server.Waiting.AddLast(first.Value);
        }
    }

    private void Start_NeedsLock(Server server, Request request)
    {
        server.Tick(_now, _model);
        server.Running.Add(request);
        request.First = _now + TimeSpan.FromSeconds(request.Spec.PromptTokens / _model.PrefillTokensPerSecond) + _model.BetweenTokens;
        var end = request.First + _model.BetweenTokens * Math.Max(0, request.Spec.OutputTokens - 1);
        _events.Enqueue((request, request.Attempt, false), (request.First, _order++));
        _events.Enqueue((request, request.Attempt, true), (end, _order++));
    }

    private sealed class Request(ServedRequest spec)
    {
        public ServedRequest Spec => spec;

        public Server? On { get; set; }

        /// <summary>Scheduled events of an earlier attempt are ignored.</summary>
        public int Attempt { get; set; }

        public DateTimeOffset First { get; set; }
    }

    private sealed class Server(string name)
    {
        private DateTimeOffset? _ticked;
        private TimeSpan _worked;

        public string Name => name;

        public List<Request> Running { get; } = [];

        public LinkedList<Request> Waiting { get; } = [];

        public bool Drains { get; set; }

        public long PromptTokens { get; set; }

        public long GeneratedTokens { get; set; }

        public long Requests { get; set; }

        public Observations FirstToken { get; } = new(FirstTokenBounds);

        public Observations BetweenTokens { get; } = new(BetweenTokensBounds);

        public Observations EndToEnd { get; } = new(EndToEndBounds);

        /// <summary>Adds up the busy time; must be called before <c>Running</c> changes.</summary>
        public void Tick(DateTimeOffset now, ServiceModel model)
        {
            if (_ticked is { } before && now > before)
                _worked += (now - before) * Busy(model);
            _ticked = now;
        }

        public ServerLoad Show(DateTimeOffset now, ServiceModel model)
        {
            Tick(now, model);
            return new()
            {
                Running = Running.Count,
                Waiting = Waiting.Count,
                PromptTokens = PromptTokens,
                GeneratedTokens =
                    GeneratedTokens
                    + Running.Sum(request =>
                        now < request.First
                            ? 0
                            : Math.Min(request.Spec.OutputTokens, 1 + (long)((now - request.First) / model.BetweenTokens))
                    ),
                Requests = Requests,
                FirstToken = FirstToken.Histogram(),
                BetweenTokens = BetweenTokens.Histogram(),
                EndToEnd = EndToEnd.Histogram(),
                Sums = (FirstToken.Sum, BetweenTokens.Sum, EndToEnd.Sum),
                Use = (double)Running.Count / model.Slots,
                Busy = Busy(model),
                Worked = _worked,
            };
        }

        /// <summary>A single request uses more than its share of the batch, because the weights are read for it alone.</summary>
        private double Busy(ServiceModel model) => Running.Count == 0 ? 0 : 0.3 + 0.65 * Running.Count / model.Slots;
    }

    private sealed class Observations(double[] bounds)
    {
        private readonly long[] _within = new long[bounds.Length + 1];

        public double Sum { get; private set; }

        public void Observe(double seconds, int times)
        {
            int bucket = Array.BinarySearch(bounds, seconds);
            _within[bucket < 0 ? ~bucket : bucket] += times;
            Sum += seconds * times;
        }

        public LatencyHistogram Histogram()
        {
            long sum = 0;
            return LatencyHistogram.TryCreate(bounds, [.. _within.Select(count => sum += count)], out string reason)
                ?? throw new InvalidOperationException(reason);
        }
    }
}
