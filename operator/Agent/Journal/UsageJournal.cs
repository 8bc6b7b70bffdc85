using System.Globalization;
using Bursar.Concurrency;
using Bursar.Core.Usage;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Journal;

/// <summary>
/// The measurements that the operator has not acknowledged yet, in order, on disk. Safe for concurrent use.
/// <para>
/// An entry is served only after it was flushed to disk (one fsync per call of <see cref="Append"/>). A sequence number that the
/// operator has seen is therefore never reused, not even after a power failure. Acknowledged entries are dropped by whole segments. A
/// torn last line was never served and is cut off. Damaged lines and dropped segments leave holes in the sequence. A report ends
/// before a hole. The next one starts with a <c>first</c> above <c>after + 1</c>, which the operator books as a gap.
/// </para>
/// <para>
/// If the disk cannot be written, entries are kept and served from memory and <see cref="Fault"/> says why. Their numbers must not be
/// reused after a restart. So the newest file is renamed, which needs no space, to end in <c>.beyond</c>, and the next start leaves a
/// hole of 2^32 numbers.
/// </para>
/// Segments are named <c>&lt;epoch&gt;-&lt;first sequence number&gt;.journal</c>, so that an empty segment still preserves the epoch and
/// the next number.
/// </summary>
public sealed partial class UsageJournal : IDisposable
{
    private const string Extension = ".journal";
    private const string HoleMark = ".beyond";

    /// <summary>More sequence numbers than one process can use.</summary>
    private const long HoleLength = 1L << 32;

    private readonly Lock _gate = new();
    private readonly JournalOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly List<JournalSegment> _segments = [];
    private readonly LongPoll _waiters;
    private FileStream? _file;
    private DateTimeOffset _nextDiskAttempt = DateTimeOffset.MinValue;
    private long _acknowledged;

    private UsageJournal(JournalOptions options, string epoch, TimeProvider time, ILogger logger)
    {
        this._options = options;
        this._time = time;
        this._logger = logger;
        _waiters = new(_gate, time);
        Epoch = epoch;
        if (options.ReportEntries < 1 || options.SegmentEntries < 1)
            throw new ArgumentOutOfRangeException(nameof(options), "a segment and an answer hold at least one entry");
    }

    /// <summary>Identifies this journal; survives restarts as long as the directory does.</summary>
    public string Epoch { get; }

    /// <summary>The sequence number of the next entry.</summary>
    public long Next { get; private set; } = 1;

    /// <summary>Why entries cannot be written to disk; null if they can.</summary>
    public string? Fault { get; private set; }

    /// <summary>Lines that were skipped because of a wrong checksum or shape.</summary>
    public long CorruptLines { get; private set; }

    /// <summary>Entries dropped before the operator acknowledged them.</summary>
    public long DroppedEntries { get; private set; }

    public long KeptEntries
    {
        get
        {
            lock (_gate)
                return _segments.Sum(s => s.Count);
        }
    }

    /// <summary>
    /// Opens the directory's journal or creates one. If the directory is unusable, sets <see cref="Fault"/> and does not throw.
    /// </summary>
    public static UsageJournal Open(JournalOptions options, Random random, TimeProvider time, ILogger logger)
    {
        string? fault = null;
        List<string> files = [];
        if (options.Directory is { } directory)
        {
            try
            {
                Directory.CreateDirectory(directory);
                files = [.. Directory.EnumerateFiles(directory)];
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                fault = $"the journal's directory {directory} cannot be used, entries are kept in memory: {exception.Message}";
            }
        }
        var found = files.Select(JournalSegment.FromPath).OfType<JournalSegment>().ToList();
        // A directory has one epoch. If files of another one were copied in, the last written one is used.
        string? known = found.OrderByDescending(s => File.GetLastWriteTimeUtc(s.Path!)).FirstOrDefault()?.Epoch;
        var journal = new UsageJournal(options, known ?? NewEpoch(random), time, logger);
        journal.Load([.. found.Where(s => s.Epoch == known).OrderBy(s => s.First)]);
        if (fault is not null)
            journal.Fail_NeedsLock(fault);
        else if (journal._segments.Count == 0)
            journal.WritableSegment_NeedsLock(journal.Next);
        return journal;
    }

    /// <summary>Numbers the entries, writes and flushes them, then serves them. Returns the last number.</summary>
    public long Append(IReadOnlyList<JournalEntry> entries)
    {
        lock (_gate)
        {
            if (entries.Count == 0)
                return Next - 1;
            var numbered = new JournalEntry[entries.Count];
            for (int i = 0; i < numbered.Length; i++)
                numbered[i] = entries[i].WithSeq(Next + i);

            for (int start = 0; start < numbered.Length; )
            {
                var segment = WritableSegment_NeedsLock(numbered[start].Seq);
                int count = Math.Min(numbered.Length - start, Math.Max(1, _options.SegmentEntries - segment.Count));
                var part = numbered.AsSpan(start, count);
                if (!Write_NeedsLock(segment, part))
                    continue;
                segment.Add(part);
                start += count;
            }
            Next += numbered.Length;
            Trim_NeedsLock();
            _waiters.Wake();
            return Next - 1;
        }
    }

    /// <summary>
    /// Returns the entries after <paramref name="after"/>, up to the next hole. A cursor of this epoch acknowledges everything up to it;
    /// one of another epoch, or null, starts from the oldest entry.
    /// </summary>
    public UsageReport Read(string node, JournalCursor? after)
    {
        lock (_gate)
        {
            long from = 0;
            if (after is { } cursor && cursor.Epoch == Epoch)
            {
                Acknowledge_NeedsLock(cursor.Seq);
                from = cursor.Seq;
            }
            var entries = Collect_NeedsLock(from, out long first);
            return new UsageReport
            {
                Node = node,
                Epoch = Epoch,
                First = first,
                Next = entries.Count > 0 ? entries[^1].Seq + 1 : first,
                Now = WireTime.Truncate(_time.GetUtcNow()),
                Intervals = [.. entries.Select(e => e.Interval).OfType<UsageInterval>()],
                Progress = [.. entries.Select(e => e.Progress).OfType<ProgressSample>()],
                Tokens = [.. entries.Select(e => e.Tokens).OfType<TokenSample>()],
                Checkpoints = [.. entries.Select(e => e.Checkpoint).OfType<CheckpointSample>()],
            };
        }
    }

    /// <summary>
    /// Completes when <see cref="Read"/> has entries for this cursor, at the latest after <paramref name="wait"/>.
    /// </summary>
    public Task WaitAsync(JournalCursor? after, TimeSpan wait, CancellationToken cancellationToken) =>
        _waiters.WaitAsync(() => after is null || after.Epoch != Epoch || Next > after.Seq + 1, wait, cancellationToken);

    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
            _file = null;
        }
    }

    private static string NewEpoch(Random random)
    {
        byte[] bytes = new byte[8];
        random.NextBytes(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    private void Load(List<JournalSegment> found)
    {
        foreach (var segment in found)
        {
            try
            {
                CorruptLines += segment.Load();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // The numbers that it used are unknown, so treat it like a segment that was continued in memory.
                Fault = $"a segment of the journal cannot be read: {exception.Message}";
                LogFault(Fault);
                segment.MarkUnreadable();
            }
            _segments.Add(segment);
        }
        // Segments after a marked one already start beyond its hole.
        if (_segments.Count > 0)
            Next = _segments[^1].End + (_segments[^1].EndsBeforeHole ? HoleLength : 0);
        if (CorruptLines > 0)
            LogCorrupt(CorruptLines, _options.Directory ?? "");
        Evict_NeedsLock();
    }

    /// <summary>Returns the last segment, or a new one if it is full, marked or ends before a hole.</summary>
    private JournalSegment WritableSegment_NeedsLock(long seq)
    {
        var now = _time.GetUtcNow();
        if (_segments.Count > 0)
        {
            var last = _segments[^1];
            bool retryDisk = last.Path is null && _options.Directory is not null && now >= _nextDiskAttempt;
            bool usable =
                last.Count < _options.SegmentEntries && last.End == seq && !retryDisk && (!last.EndsBeforeHole || last.Path is null);
            if (usable && last.Path is not null && _file is null)
                usable = OpenFile_NeedsLock(last);
            if (usable)
                return last;
        }
        _file?.Dispose();
        _file = null;
        var segment = new JournalSegment(Epoch, seq, null);
        if (_options.Directory is not null && now >= _nextDiskAttempt)
        {
            segment.Path = Path.Combine(_options.Directory, segment.FileName);
            if (!OpenFile_NeedsLock(segment))
                segment.Path = null;
        }
        _segments.Add(segment);
        Evict_NeedsLock();
        return segment;
    }

    private bool OpenFile_NeedsLock(JournalSegment segment)
    {
        try
        {
            _file = new FileStream(segment.Path!, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
            _file.Flush(flushToDisk: true);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Fail_NeedsLock($"the journal cannot be written, entries are kept in memory: {exception.Message}");
            return false;
        }
    }

    /// <summary>False if a new file accepted no entry and was removed; the caller then retries with a segment in memory.</summary>
    private bool Write_NeedsLock(JournalSegment segment, ReadOnlySpan<JournalEntry> part)
    {
        if (segment.Path is null || _file is null)
        {
            MarkHole_NeedsLock();
            return true;
        }
        long length = _file.Length;
        try
        {
            using var buffer = new MemoryStream();
            foreach (var entry in part)
                buffer.Write(JournalLine.Write(entry));
            _file.Write(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
            _file.Flush(flushToDisk: true);
            if (Fault is not null)
                LogRecovered();
            Fault = null;
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Fail_NeedsLock($"the journal cannot be written, entries are kept in memory: {exception.Message}");
            CutBack_NeedsLock(length);
            if (segment.Count == 0 && _segments.Exists(s => s != segment && s.DiskPath is not null))
            {
                Remove_NeedsLock(segment);
                return false;
            }
            segment.Detach();
            MarkHole_NeedsLock();
            return true;
        }
    }

    /// <summary>Truncates a partial write. If that fails, the checksum reveals it at the next start.</summary>
    private void CutBack_NeedsLock(long length)
    {
        try
        {
            _file!.SetLength(length);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogCutBackFailed(exception.Message);
        }
        _file!.Dispose();
        _file = null;
    }

    /// <summary>Marks the newest file, because the numbers of the entries that follow are not on disk.</summary>
    private void MarkHole_NeedsLock()
    {
        var newest = _segments.LastOrDefault(s => s.DiskPath is not null);
        if (newest is null || newest.EndsBeforeHole)
            return;
        string marked = newest.DiskPath! + HoleMark;
        try
        {
            File.Move(newest.DiskPath!, marked);
            newest.MovedTo(marked);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            LogMarkFailed(exception.Message);
        }
    }

    private void Fail_NeedsLock(string fault)
    {
        if (Fault != fault)
            LogFault(fault);
        Fault = fault;
        _nextDiskAttempt = _time.GetUtcNow() + TimeSpan.FromSeconds(30);
    }

    private List<JournalEntry> Collect_NeedsLock(long after, out long first)
    {
        var entries = new List<JournalEntry>();
        first = Math.Max(Next, after + 1);
        foreach (var segment in _segments)
        {
            if (segment.End <= after + 1 || segment.Count == 0)
                continue;
            foreach (var entry in segment.Entries(OnCorrupt))
            {
                if (entry.Seq <= after)
                    continue;
                if (entries.Count == 0)
                    first = entry.Seq;
                else if (entry.Seq != entries[^1].Seq + 1)
                    return entries;
                entries.Add(entry);
                if (entries.Count >= _options.ReportEntries)
                    return entries;
            }
        }
        return entries;

        void OnCorrupt(int lines)
        {
            CorruptLines += lines;
            LogCorrupt(lines, _options.Directory ?? "");
        }
    }

    private void Acknowledge_NeedsLock(long seq)
    {
        // A cursor beyond the end means that this journal lost its tail on disk; those numbers are used.
        if (seq >= Next && seq < long.MaxValue / 2)
            Next = seq + 1;
        _acknowledged = Math.Max(_acknowledged, seq);
        Trim_NeedsLock();
    }

    private void Trim_NeedsLock()
    {
        // The newest segment is kept even if it is acknowledged, because its name preserves the next number. A full one is replaced first.
        if (
            _segments.Count > 0
            && _segments[^1] is { } newest
            && newest.Count >= _options.SegmentEntries
            && newest.End - 1 <= _acknowledged
        )
            WritableSegment_NeedsLock(Next);
        while (_segments.Count > 1 && _segments[0].End - 1 <= _acknowledged && MayRemove_NeedsLock(_segments[0]))
            Remove_NeedsLock(_segments[0]);
        while (_segments.Count > _options.MaxSegments)
            Drop_NeedsLock(_segments[0]);
        while (_segments.Count(s => s.DiskPath is null) > _options.MaxUnwrittenSegments)
            Drop_NeedsLock(_segments.First(s => s.DiskPath is null));
    }

    /// <summary>False for the newest file while later segments are in memory only, because it carries the epoch and the mark.</summary>
    private bool MayRemove_NeedsLock(JournalSegment segment) =>
        segment.DiskPath is null || _segments.Exists(s => s.DiskPath is not null && s.First > segment.First);

    private void Drop_NeedsLock(JournalSegment segment)
    {
        long lost = Math.Max(0, segment.Count - Math.Max(0, _acknowledged - segment.First + 1));
        DroppedEntries += lost;
        if (lost > 0)
            LogDropped(lost);
        Remove_NeedsLock(segment);
    }

    private void Remove_NeedsLock(JournalSegment segment)
    {
        _segments.Remove(segment);
        if (segment.DiskPath is null)
            return;
        try
        {
            File.Delete(segment.DiskPath);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // After a restart it may be served again, which the operator's cursor skips.
            LogDeleteFailed(segment.DiskPath, exception.Message);
        }
    }

    private void Evict_NeedsLock()
    {
        for (int i = 0; i < _segments.Count - 1 - _options.SegmentsInMemory; i++)
            _segments[i].Evict();
    }

    /// <summary>The entries <c>[First, End)</c>, with holes for damaged lines.</summary>
    private sealed class JournalSegment(string epoch, long first, string? path)
    {
        private List<JournalEntry>? _entries = [];
        private string? _detachedPath;

        public string Epoch { get; } = epoch;

        public long First { get; } = first;

        /// <summary>The number after the last entry, or after the last damaged line.</summary>
        public long End { get; private set; } = first;

        public int Count { get; private set; }

        /// <summary>The file that entries are written to; null in memory and after a failed write.</summary>
        public string? Path { get; set; } = path;

        /// <summary>The file with the entries that reached the disk, also after a failed write.</summary>
        public string? DiskPath => Path ?? _detachedPath;

        public bool EndsBeforeHole { get; private set; }

        public string FileName => string.Create(CultureInfo.InvariantCulture, $"{Epoch}-{First:D19}{Extension}");

        public static JournalSegment? FromPath(string path)
        {
            string name = System.IO.Path.GetFileName(path);
            bool endsBeforeHole = name.EndsWith(HoleMark, StringComparison.Ordinal);
            if (endsBeforeHole)
                name = name[..^HoleMark.Length];
            if (!name.EndsWith(Extension, StringComparison.Ordinal))
                return null;
            string[] parts = name[..^Extension.Length].Split('-');
            return
                parts.Length == 2
                && parts[0].Length > 0
                && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long first)
                ? new JournalSegment(parts[0], first, path) { EndsBeforeHole = endsBeforeHole }
                : null;
        }

        public void Add(ReadOnlySpan<JournalEntry> part)
        {
            _entries!.AddRange(part);
            Count += part.Length;
            End = part[^1].Seq + 1;
        }

        public void Detach()
        {
            // Keep the file even if it has no complete entry, because its name carries the epoch.
            _detachedPath = Path;
            Path = null;
        }

        public void MarkUnreadable() => EndsBeforeHole = true;

        public void MovedTo(string marked)
        {
            EndsBeforeHole = true;
            if (Path is not null)
                Path = marked;
            else
                _detachedPath = marked;
        }

        public void Evict()
        {
            // Entries that are not on disk stay in memory.
            if (Path is not null)
                _entries = null;
        }

        /// <summary>Reads the file, truncates a torn last line, and returns the number of damaged lines.</summary>
        public int Load()
        {
            int corrupt = 0;
            var (read, whole, damaged, end) = ReadFile();
            corrupt += damaged;
            _entries = read;
            Count = read.Count;
            End = end;
            if (new FileInfo(Path!).Length > whole)
            {
                using var stream = new FileStream(Path!, FileMode.Open, FileAccess.Write);
                stream.SetLength(whole);
                stream.Flush(flushToDisk: true);
            }
            return corrupt;
        }

        public IReadOnlyList<JournalEntry> Entries(Action<int> onCorrupt)
        {
            if (_entries is not null)
                return _entries;
            var (read, _, _, _) = ReadFile();
            if (read.Count < Count)
                onCorrupt(Count - read.Count);
            Count = read.Count;
            return read;
        }

        private (List<JournalEntry> Read, long Whole, int Damaged, long End) ReadFile()
        {
            var read = new List<JournalEntry>();
            byte[] bytes = File.ReadAllBytes(Path!);
            var rest = bytes.AsSpan();
            long whole = 0,
                end = First;
            int damaged = 0;
            while (rest.IndexOf((byte)'\n') is >= 0 and var at)
            {
                var entry = JournalLine.TryRead(rest[..at]);
                if (entry is not null && entry.Seq >= (read.Count == 0 ? First : read[^1].Seq + 1))
                {
                    read.Add(entry);
                    end = entry.Seq + 1;
                }
                else
                {
                    // The number of a damaged line counts as used, because it may have been served.
                    damaged++;
                    end++;
                }
                whole += at + 1;
                rest = rest[(at + 1)..];
            }
            return (read, whole, damaged, end);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Writing the journal to disk failed: {Reason}")]
    private partial void LogFault(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Writing the journal to disk works again")]
    private partial void LogRecovered();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Skipped {Lines} damaged lines of the journal in {Directory}")]
    private partial void LogCorrupt(long lines, string directory);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "Dropped {Entries} journal entries that the operator had not acknowledged, which leaves a gap"
    )]
    private partial void LogDropped(long entries);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Truncating a partial write of the journal failed: {Error}")]
    private partial void LogCutBackFailed(string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Marking a journal segment as continued in memory failed: {Error}")]
    private partial void LogMarkFailed(string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Deleting journal segment {Path} failed: {Error}")]
    private partial void LogDeleteFailed(string path, string error);
}
