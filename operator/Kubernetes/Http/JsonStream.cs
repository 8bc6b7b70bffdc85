using System.Buffers;
using System.Text.Json;

namespace Bursar.Kubernetes.Http;

/// <summary>
/// Splits a response into JSON values without buffering it whole. The pooled buffer grows to the largest single value. This class finds
/// only the ends of values. The caller parses, and thereby validates, each value.
/// </summary>
internal sealed class JsonStream(Stream stream, Action? onRead = null) : IDisposable
{
    private const int LargestValue = 64 << 20;
    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> ScalarEnd = SearchValues.Create(",]} \t\r\n"u8);

    // Each watch keeps one for as long as it lasts, and there is a watch for each kind.
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(1 << 14);
    private int _start;
    private int _end;
    private bool _ended;
    private long _lastWait;
    private bool _isBurst;

    /// <summary>
    /// The delay of a read while values arrive in quick succession; zero for no delay. One read then gets several values. That saves waking
    /// a thread for each, which costs more than decoding a value. The first read after a pause is not delayed.
    /// </summary>
    public TimeSpan Gathering { get; set; }

    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>Returns the first unread bytes, such as the value measured last.</summary>
    public ReadOnlySpan<byte> Span(int length) => _buffer.AsSpan(_start, length);

    /// <summary>
    /// Overwrites the managed fields of the value measured last with one long string. Bursar does not read them, although they are a third
    /// of a pod's JSON. A JSON reader skips one string many times faster than the objects in it.
    /// </summary>
    public void HideManagedFields(int length)
    {
        Span<byte> value = _buffer.AsSpan(_start, length);
        ReadOnlySpan<byte> name = "\"managedFields\":["u8;
        int at = value.IndexOf(name);
        // After a backslash the quote is escaped, so the match lies inside a string.
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

    /// <summary>Returns the next byte that is not white space, without consuming it; -1 at the end of the stream.</summary>
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

    /// <summary>Consumes one byte, after any white space.</summary>
    /// <exception cref="JsonException">The byte is another one, or the stream has ended.</exception>
    public async ValueTask ExpectAsync(byte expected, CancellationToken cancellationToken)
    {
        int next = await PeekAsync(cancellationToken).ConfigureAwait(false);
        if (next != expected)
            throw new JsonException(
                next < 0 ? "The response ends in the middle." : $"The response has '{(char)next}' where '{(char)expected}' belongs."
            );
        _start++;
    }

    /// <summary>Returns the length of the value at the next byte, which must not be white space.</summary>
    public async ValueTask<int> MeasureAsync(CancellationToken cancellationToken)
    {
        Measure measure = default;
        while (true)
        {
            int length = measure.Next(_buffer.AsSpan(_start, _end - _start));
            if (length > 0)
                return length;
            if (!await FillAsync(cancellationToken).ConfigureAwait(false))
                return measure.AtEnd(_end - _start) is > 0 and int scalar
                    ? scalar
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

        if (_isBurst)
            await Task.Delay(Gathering, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        ValueTask<int> reading = stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        bool waits = !reading.IsCompleted;
        int read = await reading.ConfigureAwait(false);
        _isBurst = waits && Gathering > TimeSpan.Zero && IsBurst();
        if (read == 0)
        {
            _ended = true;
            return false;
        }

        onRead?.Invoke();
        _end += read;
        return true;
    }

    /// <summary>Returns whether the previous read that had to wait for data ended less than twice <see cref="Gathering"/> ago.</summary>
    private bool IsBurst()
    {
        long now = TimeProvider.System.GetTimestamp();
        bool soon = TimeProvider.System.GetElapsedTime(_lastWait, now) < 2 * Gathering;
        _lastWait = now;
        return soon;
    }

    /// <summary>Finds the end of a value. Continues where it stopped when more bytes have arrived.</summary>
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
                        // This may pass the end of the buffer. The escaped byte is then the first one of the next read.
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

        /// <summary>Returns the length of a scalar, which may end with the stream; 0 for an incomplete value.</summary>
        public readonly int AtEnd(int buffered) => _scalar ? buffered : 0;
    }
}
