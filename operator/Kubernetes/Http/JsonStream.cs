using System.Buffers;
using System.Text.Json;

namespace Bursar.Kubernetes.Http;

/// <summary>
/// Cuts a response into JSON values without holding it whole: the buffer is pooled and as large as the largest single value. Only
/// the ends of values are looked for here; the values are parsed (and thereby validated) by who takes them.
/// </summary>
internal sealed class JsonStream(Stream stream, Action? onRead = null) : IDisposable
{
    private const int LargestValue = 64 << 20;
    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> ScalarEnd = SearchValues.Create(",]} \t\r\n"u8);

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
    private int _start;
    private int _end;
    private bool _ended;
    private long _woken;
    private bool _busy;

    /// <summary>
    /// Set while the pieces come one by one and none is urgent: when they come faster than this, the next read is put off for as long, so
    /// that several come with one waking of a thread, which costs more than decoding a piece. After a silence nothing is put off.
    /// </summary>
    public TimeSpan Gathering { get; set; }

    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>The bytes of the value just measured, or of whatever is buffered.</summary>
    public ReadOnlySpan<byte> Span(int length) => _buffer.AsSpan(_start, length);

    /// <summary>
    /// Makes the managed fields of the value just measured one long text. Nobody reads them, they are a third of a pod, and a reader passes
    /// over a text many times faster than over the small objects that it hides.
    /// </summary>
    public void HideManagedFields(int length)
    {
        Span<byte> value = _buffer.AsSpan(_start, length);
        ReadOnlySpan<byte> name = "\"managedFields\":["u8;
        int at = value.IndexOf(name);
        // With a backslash before it, it is the end of some other name.
        if (at <= 0 || value[at - 1] == (byte)'\\')
            return;
        Span<byte> list = value[(at + name.Length - 1)..];
        int end = default(Measure).Next(list);
        if (end == 0)
            return;
        list[1..(end - 1)].Fill((byte)'-');
        list[0] = list[end - 1] = (byte)'"';
    }

    public void Advance(int count) => _start += count;

    /// <summary>The next byte that is no white space, which stays unread; -1 at the stream's end.</summary>
    public async ValueTask<int> PeekAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            while (_start < _end)
            {
                byte b = _buffer[_start];
                if (b is not ((byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t'))
                    return b;
                _start++;
            }

            if (!await FillAsync(cancellationToken).ConfigureAwait(false))
                return -1;
        }
    }

    /// <summary>Takes one expected byte.</summary>
    public async ValueTask ExpectAsync(byte expected, CancellationToken cancellationToken)
    {
        int next = await PeekAsync(cancellationToken).ConfigureAwait(false);
        if (next != expected)
            throw new JsonException(
                next < 0 ? "The response ends in the middle." : $"The response has '{(char)next}' where '{(char)expected}' belongs."
            );
        _start++;
    }

    /// <summary>The length of the value that starts at the next byte (which must not be white space).</summary>
    public async ValueTask<int> MeasureAsync(CancellationToken cancellationToken)
    {
        Measure measure = default;
        while (true)
        {
            int length = measure.Next(_buffer.AsSpan(_start, _end - _start));
            if (length > 0)
                return length;
            if (!await FillAsync(cancellationToken).ConfigureAwait(false))
                return measure.AtEnd(_end - _start) is > 0 and int whole
                    ? whole
                    : throw new JsonException("The response ends in the middle of a value.");
        }
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_ended)
            return false;
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_end == _buffer.Length)
        {
            if (_start > _buffer.Length / 2)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            }
            else
            {
                if (_buffer.Length >= LargestValue)
                    throw new JsonException($"A value is larger than {LargestValue} bytes.");
                byte[] larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
                _buffer.AsSpan(_start, _end - _start).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = larger;
            }

            _end -= _start;
            _start = 0;
        }

        if (_busy)
            await Task.Delay(Gathering, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        ValueTask<int> reading = stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        bool waits = !reading.IsCompleted;
        int read = await reading.ConfigureAwait(false);
        _busy = waits && Gathering > TimeSpan.Zero && CameSoon();
        if (read == 0)
        {
            _ended = true;
            return false;
        }

        onRead?.Invoke();
        _end += read;
        return true;
    }

    /// <summary>Whether hardly any time has passed since a read had to wait the last time, but for what was put off.</summary>
    private bool CameSoon()
    {
        long now = TimeProvider.System.GetTimestamp();
        bool soon = TimeProvider.System.GetElapsedTime(_woken, now) < 2 * Gathering;
        _woken = now;
        return soon;
    }

    /// <summary>Finds a value's end; goes on where it stopped when more bytes have come.</summary>
    private struct Measure
    {
        private int _at;
        private int _depth;
        private bool _inString;
        private bool _scalar;

        public int Next(ReadOnlySpan<byte> bytes)
        {
            if (_at == 0 && bytes.Length > 0 && bytes[0] is not ((byte)'{' or (byte)'[' or (byte)'"'))
                _scalar = true;
            if (_scalar)
            {
                int end = bytes.IndexOfAny(ScalarEnd);
                return end < 0 ? 0 : end;
            }

            while (_at < bytes.Length)
            {
                if (_inString)
                {
                    int hit = bytes[_at..].IndexOfAny((byte)'"', (byte)'\\');
                    if (hit < 0)
                    {
                        _at = bytes.Length;
                        return 0;
                    }

                    _at += hit;
                    if (bytes[_at] == (byte)'\\')
                    {
                        // May step beyond what is buffered: the escaped byte is then the first of the next piece.
                        _at += 2;
                        continue;
                    }

                    _at++;
                    _inString = false;
                    if (_depth == 0)
                        return _at;
                    continue;
                }

                int next = bytes[_at..].IndexOfAny(Structure);
                if (next < 0)
                {
                    _at = bytes.Length;
                    return 0;
                }

                _at += next;
                byte b = bytes[_at++];
                if (b == (byte)'"')
                {
                    _inString = true;
                }
                else if (b is (byte)'{' or (byte)'[')
                {
                    _depth++;
                }
                else if (--_depth == 0)
                {
                    return _at;
                }
            }

            return 0;
        }

        /// <summary>At the stream's end only a bare scalar is whole.</summary>
        public readonly int AtEnd(int buffered) => _scalar ? buffered : 0;
    }
}
